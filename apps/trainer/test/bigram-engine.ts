import { dapoLossScalar, hashSeed } from '@tapo/core';
import type { Batch } from '@tapo/core';
import type { Policy, SampleResult, Tokenizer } from '@tapo/rollout';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../src/engine.js';
import type { Learner } from '../src/learner.js';

const vocabulary = ['<eos>', '<search>', '</search>', '<answer>', '</answer>', '<response>', '</response>', '\n', '?'];
const alphabet = [...vocabulary, ...'abcdefghijklmnopqrstuvwxyz '];
const size = alphabet.length;

const tokenizer: Tokenizer = {
  // what is not in the alphabet becomes "?"
  encode: (text) =>
    (text.match(/<\/?[a-z]+>|[^]/g) ?? []).map((piece) => {
      const id = alphabet.indexOf(piece);
      return id < 0 ? alphabet.indexOf('?') : id;
    }),
  decode: (tokens) => tokens.map((token) => alphabet[token]).join(''),
  eosTokenIds: [0],
  padTokenId: 0,
  vocabSize: size,
};

export interface BigramEngine extends Engine {
  weights: Float64Array;
  /** rejects the n-th sample request from now on (0 = the next) with an engine fault */
  failAt: number;
}

/**
 * A real, tiny, exact language model: the next token depends on the one before. It samples, differentiates the DAPO loss
 * and takes gradient steps, so the training loop can be watched without an engine. `hint` raises the logits of pairs.
 */
export function bigramEngine(hint: readonly string[] = []): BigramEngine {
  let weights = new Float64Array(size * size);
  let sampler = weights.slice();
  let gradient = new Float64Array(size * size);
  for (const pair of hint) {
    const [from, to] = tokenizer.encode(pair) as [number, number];
    weights[from * size + to] = 4;
  }
  sampler = weights.slice();

  const logProbabilities = (table: Float64Array, from: number): number[] => {
    const logits = [...table.subarray(from * size, (from + 1) * size)];
    const top = Math.max(...logits);
    const norm = top + Math.log(logits.reduce((total, logit) => total + Math.exp(logit - top), 0));
    return logits.map((logit) => logit - norm);
  };

  const policy: Policy = {
    tokenizer,
    async sample({ tokens, maxTokens, stop, seed, temperature }) {
      await Promise.resolve();
      if (engine.failAt-- === 0) throw new Error('device lost');
      const all = [...tokens];
      const result: SampleResult = { tokens: [], logprobs: [], stopReason: 'length' };
      while (result.tokens.length < maxTokens && result.stopReason === 'length') {
        const logprobs = logProbabilities(sampler, all.at(-1) as number);
        const uniform = hashSeed(seed, all.length) / 2 ** 53;
        const token = temperature === 0 ? logprobs.indexOf(Math.max(...logprobs)) : draw(logprobs, uniform);
        all.push(token);
        result.tokens.push(token);
        result.logprobs.push(logprobs[token] as number);
        if (token === 0) result.stopReason = 'eos';
        else if (stop.some((text) => tokenizer.decode(result.tokens).endsWith(text))) result.stopReason = 'stop';
      }
      return result;
    },
    release() {},
  };

  const forward = ({ inputs, targets, lossMask }: Batch) =>
    Float32Array.from(inputs, (from, i) =>
      lossMask[i] === 1 ? (logProbabilities(weights, from)[targets[i] as number] as number) : 0,
    );
  const learner: Learner = {
    logprobs: async (batch) => ({ logprobs: forward(batch) }),
    async forwardBackward(batch, spec) {
      if (spec.name !== 'dapo') throw new Error('only dapo');
      const logprobs = forward(batch);
      const { loss, gradient: perToken } = dapoLossScalar(batch, logprobs, spec);
      perToken.forEach((slope, i) => {
        if (slope === 0) return;
        const from = batch.inputs[i] as number;
        // d logprob[target] / d logit[k] = [k = target] − p[k]
        logProbabilities(weights, from).forEach((logprob, k) => {
          const onTarget = k === batch.targets[i] ? 1 : 0;
          gradient[from * size + k] = (gradient[from * size + k] as number) + slope * (onTarget - Math.exp(logprob));
        });
      });
      return { loss, logprobs };
    },
    async optimizerStep({ learningRate }) {
      const gradientNorm = Math.hypot(...gradient);
      weights = weights.map((weight, i) => weight - learningRate * (gradient[i] as number));
      gradient = new Float64Array(size * size);
      engine.weights = weights;
      return { gradientNorm };
    },
    async save(directory) {
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, 'weights.json'), JSON.stringify([...weights]));
    },
    async load(directory) {
      weights = Float64Array.from(JSON.parse(await readFile(join(directory, 'weights.json'), 'utf8')) as number[]);
      engine.weights = weights;
    },
    async syncSampler() {
      sampler = weights.slice();
    },
    close: async () => {},
  };
  const engine: BigramEngine = { policy, learner, close: async () => {}, weights, failAt: -1 };
  return engine;
}

function draw(logprobs: readonly number[], uniform: number): number {
  let rest = uniform;
  for (const [token, logprob] of logprobs.entries()) if ((rest -= Math.exp(logprob)) < 0) return token;
  return logprobs.length - 1;
}
