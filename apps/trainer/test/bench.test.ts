import { afterEach, expect, it, vi } from 'vitest';

import { measure } from '../src/bench/measure.js';
import { batchOf, modelConfig, trainingFlops } from '../src/bench/models.js';
import { main } from '../src/cli/main.js';

afterEach(() => vi.restoreAllMocks());

it('tapo bench --json reports every phase with its time and peak memory', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const small = ['--size', '0.1M', '--rows', '2', '--length', '16', '--sequences', '4', '--sampled', '4'];
  expect(await main(['bench', ...small, '--threads', '1', '--repeats', '0', '--lora', '2', '--json'])).toBe(0);
  const report = JSON.parse(log.mock.calls.at(-1)![0] as string);
  expect(report.phases.map(({ phase }: { phase: string }) => phase)).toEqual([
    'prefill',
    'decoding',
    'log-probabilities',
    'forward, backward',
    'optimizer step',
    'RL step',
  ]);
  for (const { seconds, peakBytes } of report.phases) {
    expect(seconds).toBeGreaterThan(0);
    expect(peakBytes).toBeGreaterThan(2 ** 20);
  }
  expect(report.trainedParameters).toBeLessThan(report.parameters);
}, 60_000);

it('an unknown size names those there are', async () => {
  const error = vi.spyOn(console, 'error').mockImplementation(() => {});
  expect(await main(['bench', '--size', '7B'])).toBe(1);
  expect(error.mock.calls.flat().join('\n')).toContain('0.1M, 0.2M, 1M, 10M, 135M');
});

it('a first run, which compiles, does not count; without others it does', async () => {
  const times = [9, 3, 4, 2];
  const action = async () => times.shift();
  expect(await measure(action, { repeats: 2, budgetSeconds: 60 })).toMatchObject({ seconds: 3, repeats: 2 });
  expect(await measure(action, { repeats: 0, budgetSeconds: 60 })).toMatchObject({ seconds: 2, repeats: 0 });
});

it('no further run is begun once the time is used up', async () => {
  let runs = 0;
  const action = async () => ++runs;
  expect(await measure(action, { repeats: 5, budgetSeconds: 0 })).toMatchObject({ seconds: 1, repeats: 0 });
  expect(runs).toBe(1);
});

it('floating point operations and batches', () => {
  // 2 rows · 8 tokens · (6 · 1000 parameters + 12 · 2 layers · 8 tokens · 2 heads · 32)
  expect(trainingFlops(1000, 2, 8, modelConfig('0.1M'))).toBe(16 * (6000 + 12 * 2 * 8 * 64));
  // three real tokens share the weight; the second row is padded
  const { lossMask, weights } = batchOf([2, 1], 10);
  expect([...lossMask]).toEqual([1, 1, 1, 0]);
  expect(weights[0]).toBeCloseTo(1 / 3, 6);
});
