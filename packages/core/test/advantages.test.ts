import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupAdvantages, lossWeights, overlongPenalty } from '@tapo/core';
import type { LossAggregation } from '@tapo/core';

describe('groupAdvantages', () => {
  // rewards 1, 0, 0, −1: mean 0; squares 1 + 0 + 0 + 1 = 2; std √(2 / 3) = 0.816497
  const rewards = [1, 0, 0, -1];
  test('grpo divides by the standard deviation with n − 1', () => {
    const expected = [1 / 0.816497, 0, 0, -1 / 0.816497];
    groupAdvantages(rewards).forEach((value, i) => expect(value).toBeCloseTo(expected[i] as number, 5));
  });
  test('rloo compares with the mean of the others', () => {
    // 1 − (0 + 0 − 1)/3 = 4/3; 0 − (1 + 0 − 1)/3 = 0
    const expected = [4 / 3, 0, 0, -4 / 3];
    groupAdvantages(rewards, { estimator: 'rloo' }).forEach((value, i) =>
      expect(value).toBeCloseTo(expected[i] as number),
    );
  });
  test('dr-grpo only centres', () => {
    // mean (3 + 1) / 2 = 2
    expect(groupAdvantages([3, 1], { estimator: 'dr-grpo' })).toEqual([1, -1]);
  });
  test.each(['grpo', 'rloo', 'dr-grpo'] as const)(
    '%s: a group of one keeps its reward; equal rewards give 0',
    (estimator) => {
      expect(groupAdvantages([0.5], { estimator })[0]).toBeCloseTo(0.5, 5); // mean 0, std 1
      expect(groupAdvantages([2, 2, 2], { estimator })).toEqual([0, 0, 0]);
      expect(groupAdvantages([], { estimator })).toEqual([]);
    },
  );
  test('advantages of a group sum to 0 and keep the order of the rewards', () => {
    const rewardList = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(rewardList, fc.constantFrom('grpo', 'rloo', 'dr-grpo'), (values, estimator) => {
        const advantages = groupAdvantages(values, { estimator, epsilon: 1e-3 });
        expect(Math.abs(advantages.reduce((sum, value) => sum + value, 0))).toBeLessThan(1e-8);
        const sorted = groupAdvantages(
          values.toSorted((a, b) => a - b),
          { estimator },
        );
        expect(sorted.every((advantage, i) => i === 0 || advantage >= (sorted[i - 1] as number))).toBe(true);
      }),
    );
  });
  test('a reward that is no number is refused', () => {
    expect(() => groupAdvantages([1, NaN])).toThrow('reward 1 of the group is NaN');
  });
});

describe('lossWeights', () => {
  // rows of 3, 1 and 0 sampled tokens: B = 3, N = 4
  test.each([
    ['token-mean', [1 / 4, 1 / 4, 0]],
    ['seq-mean-token-sum', [1 / 3, 1 / 3, 0]],
    ['seq-mean-token-mean', [1 / 9, 1 / 3, 0]],
    ['seq-mean-token-sum-norm', [1 / 30, 1 / 30, 0]],
  ] as const)('%s', (aggregation, expected) => {
    expect(lossWeights([3, 1, 0], { aggregation, normalizer: 10 })).toEqual({ perToken: expected, empty: false });
  });
  test.each<LossAggregation>(['token-mean', 'seq-mean-token-sum', 'seq-mean-token-mean', 'seq-mean-token-sum-norm'])(
    '%s: an empty mask gives zeros and says so, never NaN',
    (aggregation) => {
      expect(lossWeights([0, 0], { aggregation, normalizer: 10 })).toEqual({ perToken: [0, 0], empty: true });
      expect(lossWeights([], { aggregation, normalizer: 10 })).toEqual({ perToken: [], empty: true });
    },
  );
  test('the constant of seq-mean-token-sum-norm must be given', () => {
    expect(() => lossWeights([1], { aggregation: 'seq-mean-token-sum-norm' })).toThrow(
      'needs normalizer > 0, got undefined',
    );
  });
});

describe('overlongPenalty', () => {
  // maxLength 100, buffer 20: free up to 80, then −1/20 per token
  test.each([
    { length: 10, penalty: 0 },
    { length: 80, penalty: 0 },
    { length: 90, penalty: -0.5 },
    { length: 100, penalty: -1 },
  ])('$length tokens → $penalty', ({ length, penalty }) => {
    expect(overlongPenalty(length, { maxLength: 100, buffer: 20 })).toBe(penalty);
  });
  test('factor scales it', () => {
    expect(overlongPenalty(90, { maxLength: 100, buffer: 20, factor: 0.5 })).toBe(-0.25);
  });
  test('a buffer beyond the budget is refused', () => {
    expect(() => overlongPenalty(1, { maxLength: 512 })).toThrow('got buffer 1024 and maxLength 512');
  });
});
