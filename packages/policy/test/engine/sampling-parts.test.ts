import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';

import { drawInGraph, LARGEST_UNIFORM } from '../../src/engine/draw-in-graph.js';
import { tokenDrawer } from '../../src/engine/draw.js';
import { philox2x32, uniform } from '../../src/engine/philox.js';
import { stopMatchers, toByteString } from '../../src/engine/stop-strings.js';

describe('philox', () => {
  // Known answers of Random123 (kat_vectors), philox2x32, 10 rounds: counter, key → output.
  it.each([
    [0, 0, 0, 0xff1dae59, 0x6cd10df2],
    [0xffffffff, 0xffffffff, 0xffffffff, 0x2c3f628b, 0xab4fd7ad],
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0xdd7ce038, 0xf62a4c12],
  ])('(%i, %i) under %i', (left, right, key, first, second) => {
    expect(philox2x32(left, right, key)).toEqual([first, second]);
  });

  it('is uniform, and differs between positions and between seeds, above 2^32 too', () => {
    const draws = Array.from({ length: 20000 }, (_, position) => uniform(7, position));
    // The mean of n uniform draws has standard deviation 1/√(12n) = 0.002 here.
    expect(Math.abs(draws.reduce((a, b) => a + b) / draws.length - 0.5)).toBeLessThan(0.01);
    expect(new Set(draws).size).toBe(draws.length);
    expect(uniform(1, 5)).not.toBe(uniform(1 + 2 ** 32, 5));
  });
});

describe('drawing a token', () => {
  const draw = tokenDrawer(4);
  // probabilities 0.5, 0.25, 0.125, 0.125
  const logits = Float32Array.from([3, 2, 1, 1], (power) => power * Math.LN2);
  const plain = { temperature: 1, topP: 1, topK: 0 };
  const tokens = (options: object) =>
    Array.from({ length: 1000 }, (_, i) => draw(logits, (i + 0.5) / 1000, { ...plain, ...options }).token);
  const shares = (options: object) => [0, 1, 2, 3].map((id) => tokens(options).filter((token) => token === id).length);

  it('inverts the cumulative distribution', () => expect(shares({})).toEqual([500, 250, 125, 125]));

  // p² normalised: 1/4, 1/16, 1/64, 1/64 over 22/64 → 16/22, 4/22, 1/22, 1/22
  it('sharpens at temperature 0.5', () => expect(shares({ temperature: 0.5 })).toEqual([727, 182, 46, 45]));

  // 0.5 : 0.25 → two thirds, one third; the third of three equals (0.125 twice) is cut by its id
  it('keeps the k most probable', () => {
    expect(shares({ topK: 2 })).toEqual([667, 333, 0, 0]);
    expect(shares({ topK: 3 })).toEqual([571, 286, 143, 0]);
  });

  // smallest set with at least p of the mass: 0.5 | 0.75 | 0.875
  it('keeps the nucleus', () => {
    expect(shares({ topP: 0.4 })).toEqual([1000, 0, 0, 0]);
    expect(shares({ topP: 0.7 })).toEqual([667, 333, 0, 0]);
    expect(shares({ topP: 0.8 })).toEqual([571, 286, 143, 0]);
  });

  it('reports the log-probability with temperature, before top-k and top-p', () => {
    expect(draw(logits, 0, { ...plain, topK: 1 }).logprob).toBeCloseTo(Math.log(0.5), 6);
    expect(draw(logits, 0, { ...plain, temperature: 0.5 }).logprob).toBeCloseTo(Math.log(16 / 22), 6);
  });

  it('never draws a token of no mass, and says when there is none', () => {
    const masked = Float32Array.of(-Infinity, 0, -Infinity, -Infinity);
    for (const random of [0, 0.5, 1 - 2 ** -53]) expect(draw(masked, random, plain).token).toBe(1);
    expect(() => draw(Float32Array.of(Number.NaN, 0, 0, Infinity), 0, plain)).toThrow('no finite maximum');
  });
});

describe.each([4, 128, 1000])('drawing in the graph from a vocabulary of %i', (vocabSize) => {
  const logits = Float32Array.from({ length: vocabSize }, (_, id) => Math.sin(id * 1.7) * 4 - (id % 3 ? 0 : 60));
  const inGraph = (randoms: readonly number[], temperature: number, row = logits) =>
    tf.tidy(() => {
      const column = (values: readonly number[]) => tf.tensor2d([...values], [values.length, 1]);
      const { tokens, logprobs } = drawInGraph(tf.tile(tf.tensor2d(row, [1, vocabSize]), [randoms.length, 1]), {
        uniforms: column(randoms),
        inverseTemperatures: column(randoms.map(() => 1 / (temperature || 1))),
        greedy: tf.cast(column(randoms.map(() => Number(temperature === 0))), 'int32'),
      });
      return { tokens: [...tokens.dataSync()], logprobs: [...logprobs.dataSync()] };
    });
  const softmax = (temperature: number) => {
    const mass = [...logits].map((logit) => Math.exp(logit / temperature));
    const total = mass.reduce((sum, each) => sum + each, 0);
    return mass.map((each) => each / total);
  };

  it.each([1, 0.5, 2])('inverts the cumulative distribution, temperature %d', (temperature) => {
    const probabilities = softmax(temperature);
    const randoms = Array.from({ length: 500 }, (_, i) => (i + 0.5) / 500);
    const { tokens, logprobs } = inGraph(randoms, temperature);
    let same = 0;
    tokens.forEach((token, i) => {
      let rest = randoms[i]!;
      const expected = probabilities.findIndex((probability) => (rest -= probability) < 0);
      if (token === expected) same++; // float32 sums move the borders between tokens by 1e-7
      expect(logprobs[i]).toBeCloseTo(Math.log(probabilities[token]!), 4);
    });
    expect(same).toBeGreaterThan(497);
  });

  it('draws no token of no mass at either end', () => {
    const masked = logits.map((logit, id) => (id === 0 || id === vocabSize - 1 ? -Infinity : logit));
    for (const token of inGraph([0, LARGEST_UNIFORM], 1, masked).tokens) {
      expect(token).toBeGreaterThan(0);
      expect(token).toBeLessThan(vocabSize - 1);
    }
  });

  it('takes the first of the most probable at temperature 0, its log-probability that of temperature 1', () => {
    const best = logits.indexOf(Math.max(...logits));
    const { tokens, logprobs } = inGraph([0.99], 0);
    expect(tokens).toEqual([best]);
    expect(logprobs[0]).toBeCloseTo(Math.log(softmax(1)[best]!), 4);
  });

  it('is not a number where logits are not', () => {
    expect(inGraph([0.5], 1, logits.map(() => NaN)).logprobs[0]).toBeNaN(); // prettier-ignore
  });
});

describe('stop strings', () => {
  const pieces = ['<', '/a', '>', 'x</a>y', '>é', 'é', ''].map(toByteString);
  // The two bytes of é as tokens of their own, as byte-level vocabularies have them.
  pieces.push('\u00c3', '\u00a9');
  const matcher = stopMatchers(pieces);
  const firstStop = (tokens: number[], stop: string[]) => {
    const { push } = matcher(stop);
    return tokens.findIndex((token) => push(token));
  };

  it.each([
    { name: 'spans tokens', tokens: [0, 1, 2, 2], stop: ['</a>'], at: 2 },
    { name: 'ends in the middle of a token', tokens: [0, 3], stop: ['</a>'], at: 1 },
    { name: 'the earliest of several', tokens: [0, 1, 2], stop: ['</a>', '/'], at: 1 },
    { name: 'is broken by another token', tokens: [0, 1, 5, 2], stop: ['</a>'], at: -1 },
    { name: 'is not broken by an empty one', tokens: [0, 6, 1, 6, 2], stop: ['</a>'], at: 4 },
    { name: 'counts bytes, not characters', tokens: [2, 7, 8], stop: ['>é'], at: 2 },
    { name: 'none given', tokens: [0, 1, 2], stop: [], at: -1 },
    { name: 'an empty one never matches', tokens: [0, 1, 2], stop: [''], at: -1 },
  ])('$name', ({ tokens, stop, at }) => expect(firstStop(tokens, stop)).toBe(at));
});
