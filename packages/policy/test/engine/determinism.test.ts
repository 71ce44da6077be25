import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { describe, expect, it } from 'vitest';

import type { ModelConfig } from '@tapo/policy';

import type { Engine } from '../../src/engine/engine.js';
import { engineBackend } from '../backend.js';
import { randomGenerator, tinyConfig, tinyEngine, tokenizer } from './fixtures.js';

/** 2 blocks · 4 rows · 2 (keys, values) · layers · heads · 256 positions · head size · 4 bytes */
function tooSmall({ numHiddenLayers, numKeyValueHeads, headDim }: ModelConfig): number {
  return 2 * 4 * 2 * numHiddenLayers * numKeyValueHeads * 256 * headDim * 4;
}

interface Turn {
  maxTokens: number;
  observation: number[];
  /** how long the tool takes, ms */
  delay: number;
}

interface Rollout {
  id: string;
  seed: number;
  prompt: number[];
  turns: Turn[];
}

interface Outcome {
  tokens: number[];
  mask: number[];
  logprobs: number[];
}

/** Rollouts with prompts of 1-70 tokens, up to three turns, observations of 0-40 tokens; pairs share their prompt. */
function randomRollouts(count: number, seed: number): Rollout[] {
  const random = randomGenerator(seed);
  const text = (length: number) => Array.from({ length }, () => random(tokenizer.vocabSize));
  const rollouts: Rollout[] = [];
  for (let i = 0; i < count; i++) {
    const prompt = i % 2 === 1 ? rollouts[i - 1]!.prompt : text(1 + random(70));
    const turns = Array.from({ length: 1 + random(3) }, () => ({
      maxTokens: 1 + random(20),
      observation: text(random(41)),
      delay: random(8),
    }));
    rollouts.push({ id: `r${i}`, seed: seed + i, prompt, turns });
  }
  return rollouts;
}

async function play(engine: Engine, { id, seed, prompt, turns }: Rollout, delayed: boolean): Promise<Outcome> {
  const outcome: Outcome = { tokens: [...prompt], mask: prompt.map(() => 0), logprobs: prompt.map(() => 0) };
  for (const { maxTokens, observation, delay } of turns) {
    const options = { maxTokens, stop: [], temperature: 1, topP: 1, topK: 0, seed };
    const result = await engine.sample({ sequenceId: id, tokens: outcome.tokens, ...options });
    outcome.tokens.push(...result.tokens, ...observation);
    outcome.mask.push(...result.tokens.map(() => 1), ...observation.map(() => 0));
    outcome.logprobs.push(...result.logprobs, ...observation.map(() => 0));
    if (delayed) await sleep(delay);
  }
  await engine.release(id);
  return outcome;
}

interface Sampled {
  tokens: unknown;
  logprobs: number[];
}

/** To the bit on the compiled engine; elsewhere a product of more rows may round differently. */
const tolerance = engineBackend === 'compiled' ? 0 : 1e-4;

/** Largest difference of two log-probabilities; infinite where anything else differs. */
function deviation(got: Sampled[], wanted: Sampled[]): number {
  const others = (all: Sampled[]) => all.map((each) => ({ ...each, logprobs: each.logprobs.length }));
  if (!isDeepStrictEqual(others(got), others(wanted))) return Infinity;
  const expected = wanted.flatMap((each) => each.logprobs);
  const gaps = got.flatMap((each) => each.logprobs).map((value, i) => Math.abs(value - (expected[i] as number)));
  return Math.max(0, ...gaps);
}

const kinds = [
  { kind: 'grouped heads', config: tinyConfig() },
  {
    kind: 'one query head per key head',
    config: tinyConfig({ num_attention_heads: 3, num_key_value_heads: 3, hidden_size: 96 }),
  },
  { kind: 'large vocabulary', config: tinyConfig({ vocab_size: 5000 }) },
  { kind: 'qwen3', config: tinyConfig({ model_type: 'qwen3', head_dim: 16 }) },
];

// Eager backends are slow, and have one way to attend.
describe.each(engineBackend === 'compiled' ? kinds : kinds.slice(0, 1))(
  '$kind: what a sequence samples depends on nothing but itself',
  ({ config }) => {
    const rollouts = randomRollouts(24, 11);
    // Each alone and step by step, on an engine whose batches never hold a second row.
    const alone = (async () => {
      const engine = await tinyEngine({ config, mostSteps: 1 });
      const outcomes: Outcome[] = [];
      for (const rollout of rollouts) outcomes.push(await play(engine, rollout, false));
      return outcomes;
    })();

    it.each([
      { name: 'all at once, four steps a run', setup: {} },
      { name: 'seven steps a run', setup: { mostSteps: 7 } },
      { name: 'all at once, two threads', setup: { threads: 2 } },
      { name: 'blocks of 8 rows', setup: { maxRows: 8 } },
      // Room for two blocks of four of the longest rows, which is what one of them needs to grow: rows are dropped and fed again.
      { name: 'a cache far too small', setup: { maxRows: 4, maxCacheBytes: tooSmall(config) } },
    ])('$name, tools of random duration: same tokens, same log-probabilities to the bit', async ({ setup }) => {
      const engine = await tinyEngine({ config, ...setup });
      const together = await Promise.all(rollouts.map((rollout) => play(engine, rollout, true)));
      expect(deviation(together, await alone)).toBeLessThanOrEqual(tolerance);
      const { cacheBytes } = await engine.statistics();
      expect(cacheBytes).toBeLessThanOrEqual(setup.maxCacheBytes ?? 2 ** 28);
    });

    it('arrivals and departures at random moments change nothing', async () => {
      const engine = await tinyEngine({ config });
      const random = randomGenerator(5);
      const together = await Promise.all(
        rollouts.map(async (rollout) => {
          await sleep(random(60));
          return play(engine, rollout, true);
        }),
      );
      expect(deviation(together, await alone)).toBeLessThanOrEqual(tolerance);
    });

    it('a sequence dropped while it was idle goes on as if it had been kept', async () => {
      const roomy = await tinyEngine({ config });
      // One block of four rows of 64 positions, for six sequences of up to 50 tokens.
      const bytes = 4 * 2 * config.numHiddenLayers * config.numKeyValueHeads * 64 * config.headDim * 4;
      const tight = await tinyEngine({ config, maxRows: 4, maxCacheBytes: bytes });
      const two = async (engine: Engine) => {
        const tokens = Array.from({ length: 6 }, (_, i) => [10 + i, 20 + i, 30]);
        const logprobs: number[] = [];
        for (let turn = 0; turn < 2; turn++) {
          for (const [i, sequence] of tokens.entries()) {
            const options = { maxTokens: 15, stop: [], temperature: 1, topP: 1, topK: 0, seed: i };
            const result = await engine.sample({ sequenceId: `${i}`, tokens: sequence, ...options });
            sequence.push(...result.tokens, 40, 41, 42);
            logprobs.push(...result.logprobs);
          }
        }
        return { tokens, logprobs, evicted: (await engine.statistics()).evictions > 0 };
      };
      const [dropped, kept] = [await two(tight), await two(roomy)];
      expect(dropped.evicted).toBe(true);
      expect(deviation([dropped], [{ ...kept, evicted: true } as Sampled])).toBeLessThanOrEqual(tolerance);
    });

    it('the trainer computes the same log-probabilities to 1e-4, observations inside', async () => {
      const outcomes = await alone;
      const rows = outcomes.length;
      const length = Math.max(...outcomes.map(({ tokens }) => tokens.length)) - 1;
      const batch = {
        rows,
        length,
        lengths: Int32Array.from(outcomes, ({ tokens }) => tokens.length - 1),
        inputs: new Int32Array(rows * length),
        targets: new Int32Array(rows * length),
        lossMask: new Float32Array(rows * length),
        weights: new Float32Array(rows * length),
      };
      outcomes.forEach(({ tokens }, row) => {
        batch.inputs.set(tokens.slice(0, -1), row * length);
        batch.targets.set(tokens.slice(1), row * length);
      });
      const engine = await tinyEngine({ config });
      const { logprobs } = await engine.logprobs(batch);
      let sampled = 0;
      let worst = 0;
      outcomes.forEach((outcome, row) => {
        for (let t = 0; t + 1 < outcome.tokens.length; t++) {
          if (outcome.mask[t + 1] === 0) continue;
          sampled++;
          worst = Math.max(
            worst,
            Math.abs((logprobs[row * length + t] as number) - (outcome.logprobs[t + 1] as number)),
          );
        }
      });
      expect(sampled).toBeGreaterThan(200);
      expect(worst).toBeLessThan(1e-4);
    });
  },
);
