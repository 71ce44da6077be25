import { expect, it } from 'vitest';
import { bandOf, metricAt, metricKeys, smoothed } from '../src/data/series.js';
import { formatNumber } from '../src/format.js';
import { shadeClass, tokenNumbers } from '../src/trajectory/token-scale.js';

it('ratio and clipping of a token, with the bounds of the loss', () => {
  const columns = {
    tokens: [1, 2, 3],
    texts: null,
    lossMask: [0, 1, 1],
    rolloutLogprobs: [0, -1, -1],
    oldLogprobs: [0, -1.1, -1],
    // ratios e^0.3 = 1.35 and e^−0.3 = 0.74
    logprobs: [0, -0.8, -1.3],
    advantage: 1,
    promptLength: 1,
    clip: { low: 0.2, high: 0.28, dual: 10 },
  };
  expect(tokenNumbers(columns, 0)).toMatchObject({ ratio: null, advantage: null });
  expect(tokenNumbers(columns, 1).ratio).toBeCloseTo(1.34986, 5);
  expect(tokenNumbers(columns, 1).mismatch).toBeCloseTo(-0.1, 10);
  // a gain is held above 1 + 0.28, a loss below 1 − 0.2
  expect([1, 2].map((i) => tokenNumbers(columns, i).clipped)).toEqual(['above', null]);
  expect([1, 2].map((i) => tokenNumbers({ ...columns, advantage: -1 }, i).clipped)).toEqual([null, 'below']);
  const huge = { ...columns, advantage: -1, logprobs: [0, 1.3, 0] };
  expect(tokenNumbers(huge, 1).clipped).toBe('dual'); // e^2.4 = 11 > 10
  expect([0, 0.5, -1].map(shadeClass)).toEqual(['', 'p4', 'n8']);
});

it('nested metrics by path; smoothing without the bias of the start; gaps stay', () => {
  const line = { step: 1, reward: null, callsByTool: { search: 2 } };
  expect(metricKeys([line])).toEqual(['reward', 'callsByTool.search']);
  expect([metricAt(line, 'reward'), metricAt(line, 'callsByTool.search'), metricAt(line, 'no.such')]).toEqual([
    null,
    2,
    null,
  ]);
  // weights 0.5: first 1; then (0.5·0.5·1 + 0.5·4) / 0.75 = 3
  expect(smoothed([1, null, 4], 0.5)).toEqual([1, null, 3]);
});

it('the interval of three runs: mean ± 4.303 · s / √3', () => {
  // s = 1, so 4.303 / 1.732 = 2.4844
  const { mean, low, high } = bandOf([1, 2, null, 3]);
  expect([mean, low, high].map((value) => Number(value?.toFixed(3)))).toEqual([2, -0.484, 4.484]);
  expect(bandOf([5])).toEqual({ mean: 5, low: null, high: null });
});

it('numbers are short, and never lie about their size', () => {
  expect([0, 0.12345, -12.5, 1234.56, 12345.6, 1e9, 2e-6, null].map((value) => formatNumber(value))).toEqual([
    '0', '0.1235', '−12.5', '1235', '12.35K', '1.0e9', '2.0e−6', '–',
  ]); // prettier-ignore
  expect([formatNumber(0.981, 'percent'), formatNumber(1500, 'milliseconds'), formatNumber(3e8, 'bytes')]).toEqual([
    '98.1%', '1.5 s', '300 MB',
  ]); // prettier-ignore
});
