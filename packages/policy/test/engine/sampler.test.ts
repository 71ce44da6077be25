import { expect, it } from 'vitest';

import { createKvCache } from '../../src/engine/kv-cache.js';
import type { Decoder } from '../../src/engine/decoder.js';
import { createSampler } from '../../src/engine/sampler.js';
import type { Sequence } from '../../src/engine/sequences.js';

/** A sampler over a decoder that computes nothing and draws token 1 always; `calls` tells what it was asked to do. */
function recordingSampler() {
  const calls: string[] = [];
  const decoder: Decoder = {
    mostSteps: 4,
    chunkTokens: 32,
    compiledCount: 0,
    paddedRows: (rows) => rows,
    async run(_cache, _pool, _first, fed, steps) {
      calls.push(`${fed.length} rows × ${steps}`);
      const size = fed.length * steps;
      return {
        tokens: new Int32Array(size).fill(1),
        logprobs: new Float32Array(size),
        logits: () => new Float32Array(2),
      };
    },
    async prefill(_cache, _row, tokens) {
      calls.push(`prefill ${tokens.length}`);
    },
  };
  const cache = createKvCache<Sequence>({ layers: 1, heads: 1, headDim: 1 }, { maxBytes: 2 ** 20, rowsPerBlock: 64 });
  const stopMatcher = () => ({ push: () => false });
  const sampler = createSampler(decoder, cache, { vocabSize: 9, maxPositions: 100, eosTokenIds: [], stopMatcher });
  const sample = (sequenceId: string, tokens: number[]) =>
    sampler.sample({ sequenceId, tokens, maxTokens: 8, stop: [], temperature: 1, topP: 1, topK: 0, seed: 0 });
  return { calls, sample };
}

it('two groups asked for together: each prompt once, then all rows in every step', async () => {
  const { calls, sample } = recordingSampler();
  const prompts = [3, 4].map((token) => Array<number>(20).fill(token));
  await Promise.all(Array.from({ length: 6 }, (_, i) => sample(`${i}`, prompts[i % 2]!)));
  // 8 tokens of each: the last of the prompt and three drawn ones are fed in the first run, four drawn ones in the second.
  expect(calls).toEqual(['prefill 19', 'prefill 19', '6 rows × 4', '6 rows × 4']);
});
