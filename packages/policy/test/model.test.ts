import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';

import {
  decodeStep,
  forward,
  forwardCached,
  initializeParameters,
  logits,
  parseModelConfig,
  tokenLogprobs,
  type KvCache,
  type ModelConfig,
  type ModelParameters,
} from '@tapo/policy';

import { setTestBackend } from './backend.js';

/** GQA of 4 query heads over 2 key/value heads, width 4 each. */
const config = parseModelConfig({
  model_type: 'qwen2',
  vocab_size: 11,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
});

function tensors(config: ModelConfig): ModelParameters {
  const host = initializeParameters(config, { seed: 3, embeddingStd: 0.5, linearStd: 'fan-in', previousTokenBias: 1 });
  return Object.fromEntries(Object.entries(host).map(([name, { data, shape }]) => [name, tf.tensor(data, shape)]));
}

function emptyCache(batch: number, capacity: number): KvCache {
  const layers = () => Array.from({ length: 2 }, () => tf.zeros([batch, 2, capacity, 4]));
  return { keys: layers(), values: layers() };
}

function largestDifference(a: tf.Tensor, b: tf.Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return tf.max(tf.abs(tf.sub(a, b))).dataSync()[0] as number;
}

beforeAll(setTestBackend);

describe('forward', () => {
  it('is causal: a later token does not change earlier hidden states', () => {
    const parameters = tensors(config);
    const run = (last: number) =>
      forward(parameters, { tokens: tf.tensor2d([[1, 2, 3, last]], undefined, 'int32') }, config);
    const first3 = (hidden: tf.Tensor) => tf.slice(hidden, [0, 0, 0], [1, 3, 16]);
    expect(largestDifference(first3(run(4)), first3(run(9)))).toBe(0);
    expect(largestDifference(run(4), run(9))).toBeGreaterThan(0.01);
  });

  it('keeps packed sequences apart', () => {
    // row:       5 6 7 | 8 9      as one packed row
    // positions: 0 1 2 | 0 1
    const parameters = tensors(config);
    const packed = forward(
      parameters,
      {
        tokens: tf.tensor2d([[5, 6, 7, 8, 9]], undefined, 'int32'),
        positions: tf.tensor2d([[0, 1, 2, 0, 1]], undefined, 'int32'),
        segments: tf.tensor2d([[0, 0, 0, 1, 1]], undefined, 'int32'),
      },
      config,
    );
    const alone = forward(parameters, { tokens: tf.tensor2d([[8, 9]], undefined, 'int32') }, config);
    expect(largestDifference(tf.slice(packed, [0, 3, 0], [1, 2, 16]), alone)).toBeLessThan(1e-6);
  });

  it('leaves no tensor behind inside tidy, gradient included', () => {
    const parameters = tensors(config);
    const names = Object.keys(parameters);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const tokens = tf.tensor2d([[1, 2, 3]], undefined, 'int32');
      const targets = tf.tensor2d([[2, 3, 4]], undefined, 'int32');
      const loss = (...values: tf.Tensor[]) => {
        const current = Object.fromEntries(names.map((name, i) => [name, values[i] as tf.Tensor]));
        return tf.neg(tf.sum<tf.Scalar>(tokenLogprobs(current, { tokens }, targets, config).logprobs));
      };
      const { grads } = tf.valueAndGrads(loss)(names.map((name) => parameters[name] as tf.Tensor));
      expect(grads).toHaveLength(names.length);
      for (const [i, grad] of grads.entries()) expect(grad.shape).toEqual(parameters[names[i] as string]?.shape);
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('tokenLogprobs', () => {
  it('gives log-softmax of the targets and the entropy', () => {
    const parameters = tensors(config);
    const tokens = tf.tensor2d([[1, 2, 3]], undefined, 'int32');
    const { logprobs, entropies } = tokenLogprobs(
      parameters,
      { tokens },
      tf.tensor2d([[4, 0, 10]], undefined, 'int32'),
      config,
    );
    const scores = logits(parameters, forward(parameters, { tokens }, config), config).arraySync() as number[][][];
    [4, 0, 10].forEach((target, t) => {
      const row = scores[0]?.[t] as number[];
      const total = row.reduce((sum, score) => sum + Math.exp(score), 0);
      const probabilities = row.map((score) => Math.exp(score) / total);
      expect(logprobs.arraySync()[0]?.[t]).toBeCloseTo(Math.log(probabilities[target] as number), 5);
      expect(entropies.arraySync()[0]?.[t]).toBeCloseTo(-probabilities.reduce((sum, p) => sum + p * Math.log(p), 0), 5);
    });
  });
});

describe('gradient checkpointing', () => {
  const adapter = (part: 'A' | 'B') => `base_model.model.model.layers.1.self_attn.q_proj.lora_${part}.weight`;
  const base = [
    'model.embed_tokens.weight',
    'model.layers.0.self_attn.k_proj.bias',
    'model.layers.1.mlp.up_proj.weight',
  ];

  it.each([
    ['of base weights', base, false],
    ['of an adapter', [adapter('A'), adapter('B')], true],
  ])('gives the same gradients %s, and leaks nothing', (_, trained, withLora) => {
    const all = tensors(config);
    all[adapter('A')] = tf.reshape(tf.sin(tf.range(0, 32)), [2, 16]);
    all[adapter('B')] = tf.reshape(tf.cos(tf.range(0, 32)), [16, 2]);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const tokens = tf.tensor2d([[1, 2, 3, 4]], undefined, 'int32');
      const targets = tf.tensor2d([[2, 3, 4, 5]], undefined, 'int32');
      const gradients = (checkpoint: boolean) =>
        tf.valueAndGrads((...values) => {
          const current = { ...all };
          trained.forEach((name, i) => (current[name] = values[i] as tf.Tensor));
          const lora = withLora ? { parameters: current, scaling: 0.5 } : undefined;
          const { logprobs, entropies } = tokenLogprobs(current, { tokens }, targets, config, {
            lora,
            checkpoint,
            entropyGradient: true,
          });
          return tf.sum(tf.add(logprobs, entropies)) as tf.Scalar;
        })(trained.map((name) => all[name] as tf.Tensor));
      const kept = gradients(false);
      const recomputed = gradients(true);
      expect(largestDifference(kept.value, recomputed.value)).toBe(0);
      kept.grads.forEach((grad, i) => {
        expect(tf.max(tf.abs(grad)).dataSync()[0]).toBeGreaterThan(1e-3);
        expect(largestDifference(grad, recomputed.grads[i] as tf.Tensor)).toBeLessThan(1e-6);
      });
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('cached decoding', () => {
  it('agrees with the full forward pass for rows of different lengths', () => {
    // row 0: 1 2 3 4 5    prefilled with 3, then decoded 2
    // row 1: 6 7 8        prefilled with 1, then decoded 2
    const parameters = tensors(config);
    const prefilled = [[1, 2, 3], [6]].map((tokens) => {
      const lengths = tf.tensor1d([0], 'int32');
      const given = { tokens: tf.tensor1d(tokens, 'int32'), lengths, cache: emptyCache(1, 8) };
      return forwardCached(parameters, given, config).cache;
    });
    const joined = (name: 'keys' | 'values') =>
      (prefilled[0] as KvCache)[name].map((_, layer) => tf.concat(prefilled.map((cache) => cache[name][layer]!)));
    let cache: KvCache = { keys: joined('keys'), values: joined('values') };
    let lengths = tf.tensor1d([3, 1], 'int32');
    let last = tf.zeros([2, 11]);
    for (const tokens of [
      [4, 7],
      [5, 8],
    ]) {
      const step = decodeStep(parameters, { tokens: tf.tensor1d(tokens, 'int32'), lengths, cache }, config);
      cache = step.cache;
      lengths = tf.add(lengths, tf.scalar(1, 'int32'));
      last = step.logits;
    }
    const full = (tokens: number[]) => {
      const hidden = forward(parameters, { tokens: tf.tensor2d([tokens], undefined, 'int32') }, config);
      return tf.squeeze(tf.slice(logits(parameters, hidden, config), [0, tokens.length - 1, 0], [1, 1, 11]), [0]);
    };
    expect(largestDifference(last, tf.concat([full([1, 2, 3, 4, 5]), full([6, 7, 8])]))).toBeLessThan(1e-5);
  });
});
