import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bestAtK, bootstrapMean, majAtK, meanAtK, passAtK, summarize } from '@tapo/eval';
import type { EvaluationRecord } from '@tapo/eval';

describe('at k', () => {
  test('mean@k', () => {
    expect(meanAtK([1, 0, 0, 1])).toBe(0.5);
  });

  test.each([
    // n = 4, c = 1: k = 2 misses it in C(3,2) / C(4,2) = 3 of 6 draws
    { n: 4, correct: 1, k: 2, expected: 0.5 },
    { n: 4, correct: 1, k: 1, expected: 0.25 },
    { n: 4, correct: 0, k: 4, expected: 0 },
    { n: 4, correct: 3, k: 2, expected: 1 }, // two draws cannot both be the one wrong
    { n: 10, correct: 3, k: 5, expected: 1 - 21 / 252 }, // C(7,5) / C(10,5)
  ])('pass@$k of $correct right among $n', ({ n, correct, k, expected }) => {
    expect(passAtK(n, correct, k)).toBeCloseTo(expected, 12);
  });

  test('best@k is the mean over all draws of the best of k', () => {
    // {0.1, 0.5, 0.9} by twos: max 0.5, 0.9, 0.9
    expect(bestAtK([0.5, 0.9, 0.1], 2)).toBeCloseTo(2.3 / 3, 12);
    expect([bestAtK([-1, 1, 0], 1), bestAtK([-1, 1, 0], 3)]).toEqual([0, 1]); // the mean; the maximum
  });

  test('best@k of zeros and ones is pass@k', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom<number>(0, 1), { minLength: 1, maxLength: 12 }),
        fc.nat(),
        (values, pick) => {
          const k = 1 + (pick % values.length);
          const correct = values.filter((value) => value === 1).length;
          expect(bestAtK(values, k)).toBeCloseTo(passAtK(values.length, correct, k), 10);
        },
      ),
    );
  });

  test('maj@k: normalised answers vote, the earlier wins a tie, no answer is no vote', () => {
    const vote = (answer: string | null, value = 0): { answer: string | null; value: number } => ({ answer, value });
    const votes = [vote('Rome'), vote(' paris', 1), vote(null), vote('Paris', 1), vote('Rome')];
    expect([1, 2, 3, 4, 5].map((k) => majAtK(votes, k))).toEqual([0, 0, 0, 1, 0]);
    expect(majAtK([vote(null)], 1)).toBe(0);
  });

  test('a k beyond n is refused', () => {
    expect(() => passAtK(4, 1, 5)).toThrow('integer k from 1 to n = 4, got 5');
    expect(() => bestAtK([1], 0)).toThrow('got 0');
    expect(() => passAtK(4, 5, 1)).toThrow('got 5 of 4');
  });
});

describe('bootstrapMean', () => {
  test('is seeded, holds the mean, and has about the width of theory', () => {
    const values = Array.from({ length: 100 }, (_, i) => i % 2);
    const estimate = bootstrapMean(values, { seed: 3 });
    expect(bootstrapMean(values, { seed: 3 })).toEqual(estimate);
    expect(estimate.value).toBe(0.5);
    // standard error 0.5 / √100 = 0.05, so 95 % is 0.5 ± 0.098
    expect(Math.abs(estimate.low - 0.402)).toBeLessThan(0.025);
    expect(Math.abs(estimate.high - 0.598)).toBeLessThan(0.025);
  });
  test('equal values have no width; no values have no mean', () => {
    expect(bootstrapMean([0.3, 0.3])).toEqual({ value: 0.3, low: 0.3, high: 0.3 });
    expect(bootstrapMean([])).toEqual({ value: NaN, low: NaN, high: NaN });
  });
});

describe('summarize', () => {
  const call = (tool: string, status = 'ok') => ({ tool, status });
  const record = (problemId: string, source: string, rest: Partial<EvaluationRecord>): EvaluationRecord => ({
    problemId,
    source,
    score: 1,
    accurate: true,
    wellFormed: true,
    answer: 'x',
    turns: [],
    ...rest,
  });
  const wrong = { score: 0, accurate: false, answer: 'y' };
  const broken = { score: -1, accurate: false, wellFormed: false, answer: null };
  const records = [
    record('a', 'nq', { turns: [{ calls: [call('search')] }, { calls: [call('search', 'timeout')] }] }),
    record('a', 'nq', wrong),
    record('b', 'calculator', { turns: [{ calls: [call('code')] }, { calls: [] }] }),
    record('b', 'calculator', { ...broken, turns: [{ calls: [call('code', 'error')] }] }),
  ];

  test('overall and by source', () => {
    const { accuracy, score, callsPerProblem, bySource, ...rest } = summarize(records);
    expect([accuracy.value, score.value, callsPerProblem.value]).toEqual([0.5, 0.25, 1]); // (1 + 0 + 1 − 1) / 4
    expect(rest).toMatchObject({
      problems: 2,
      rollouts: 4,
      formatRate: 0.75,
      callsByTool: { code: 0.5, search: 0.5 },
      toolErrorRate: 0.5, // timeout and error among 4 calls
      passAtK: { 1: { value: 0.5 }, 2: { value: 1 } },
      bestAtK: { 1: { value: 0.25 }, 2: { value: 1 } },
      majAtK: { 1: { value: 1 }, 2: { value: 1 } },
    });
    expect(Object.keys(bySource)).toEqual(['calculator', 'nq']);
    expect(bySource['nq']).toMatchObject({
      problems: 1,
      rollouts: 2,
      accuracy: { value: 0.5 },
      formatRate: 1,
      callsPerProblem: { value: 1 },
      callsByTool: { search: 1 },
      toolErrorRate: 0.5,
    });
  });

  test('k stops at the least number of rollouts of a problem', () => {
    const many = Array.from({ length: 6 }, () => record('c', 'nq', {}));
    expect(Object.keys(summarize(many).passAtK)).toEqual(['1', '2', '4', '6']);
    expect(Object.keys(summarize([...many, ...records]).passAtK)).toEqual(['1', '2']);
  });

  test('nothing to summarize is an error', () => {
    expect(() => summarize([])).toThrow('no records');
  });
});
