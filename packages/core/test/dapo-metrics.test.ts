import { expect, test } from 'vitest';
import { dapoMetrics } from '@tapo/core';

const { log, exp } = Math;

//   r          1.5     0.5     20      masked
const columns = {
  lossMask: /*        */ [1, 1, 1, 0],
  advantages: /*      */ [1, 1, -1, 5],
  oldLogprobs: /*     */ [-1, -1, -4, -Infinity],
  rolloutLogprobs: /* */ [-1.1, -1, -4, NaN],
  referenceLogprobs: [-1, -1, -1, NaN],
};
const logprobs = [-1 + log(1.5), -1 + log(0.5), -4 + log(20), NaN];

test('metrics of four tokens, one of them masked', () => {
  const metrics = dapoMetrics(columns, logprobs, { entropies: [1, 2, 3, NaN], klEstimator: 'k1' });
  expect(metrics.tokens).toBe(3);
  expect(metrics.clipFraction).toBeCloseTo(1 / 3); // only r = 1.5 with A > 0 is above 1.28
  expect(metrics.lowerClipFraction).toBeCloseTo(1 / 3); // r = 20 with A < 0 is above 10
  expect(metrics.approxKl).toBeCloseTo(-log(1.5 * 0.5 * 20) / 3);
  expect([metrics.ratioMin, metrics.ratioMax].map((r) => r.toFixed(6))).toEqual(['0.500000', '20.000000']);
  expect(metrics.entropy).toBe(2);
  expect(metrics.referenceKl).toBeCloseTo((log(1.5) + log(0.5) - 3 + log(20)) / 3);
  expect(metrics.mismatchMean).toBeCloseTo(0.1 / 3);
  expect(metrics.mismatchMax).toBeCloseTo(0.1);
  // KL(sampler ‖ trainer), k3 with δ = rollout − old = −0.1: exp(0.1) − 0.1 − 1, over three tokens
  expect(metrics.mismatchKl).toBeCloseTo((exp(0.1) - 1.1) / 3);
});

test('nothing sampled: zeros and ratios of 1, no NaN', () => {
  const metrics = dapoMetrics({ ...columns, lossMask: [0, 0, 0, 0] }, logprobs, { entropies: [1, 2, 3, 4] });
  expect(metrics).toEqual({
    tokens: 0,
    clipFraction: 0,
    lowerClipFraction: 0,
    approxKl: 0,
    ratioMin: 1,
    ratioMax: 1,
    entropy: 0,
    referenceKl: 0,
    mismatchMean: 0,
    mismatchMax: 0,
    mismatchKl: 0,
  });
});

test('without oldLogprobs the pass is its own past: nothing is clipped, the mismatch is that with the sampler', () => {
  const { oldLogprobs: _, ...first } = columns;
  const metrics = dapoMetrics(first, [-1, -1.5, -4, NaN]);
  expect(metrics).toMatchObject({ clipFraction: 0, lowerClipFraction: 0, ratioMin: 1, ratioMax: 1 });
  expect(metrics.approxKl).toBeCloseTo(0, 12);
  expect(metrics.mismatchMean).toBeCloseTo((0.1 + 0.5) / 3); // |−1 + 1.1|, |−1.5 + 1|, 0
  expect(metrics.mismatchMax).toBeCloseTo(0.5);
});

test('columns that are missing or too short are named', () => {
  expect(() => dapoMetrics({ lossMask: [1] }, [-1])).toThrow('needs advantages');
  expect(() => dapoMetrics(columns, [-1])).toThrow('logprobs has 1 entries, lossMask has 4');
});
