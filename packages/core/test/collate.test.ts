import { describe, expect, test } from 'vitest';
import { collate, countSampled, selectRows } from '@tapo/core';
import type { Batch, CollateRow } from '@tapo/core';

//            prompt  think  call  observation  answer
const first: CollateRow = {
  tokens: /*          */ [5, 6, 10, 11, 20, 21, 12],
  lossMask: /*        */ [0, 0, 1, 1, 0, 0, 1],
  rolloutLogprobs: /* */ [0, 0, -1, -2, 0, 0, -3],
  advantage: 2,
};
const second: CollateRow = {
  tokens: /*          */ [7, 13, 14],
  lossMask: /*        */ [0, 1, 1],
  rolloutLogprobs: /* */ [0, -4, -5],
  advantage: -1,
};

const rowsOf = (batch: Batch, column: keyof Batch): number[][] =>
  Array.from({ length: batch.rows }, (_, r) =>
    Array.from((batch[column] as Float32Array).subarray(r * batch.length, (r + 1) * batch.length)),
  );

describe('collate', () => {
  test('shifts by one and pads, once', () => {
    const batch = collate([first, second], { padId: 99 });
    expect([batch.rows, batch.length, ...batch.lengths]).toEqual([2, 6, 6, 2]);
    expect(rowsOf(batch, 'inputs')).toEqual([
      [5, 6, 10, 11, 20, 21],
      [7, 13, 99, 99, 99, 99],
    ]);
    expect(rowsOf(batch, 'targets')).toEqual([
      [6, 10, 11, 20, 21, 12],
      [13, 14, 99, 99, 99, 99],
    ]);
    expect(rowsOf(batch, 'lossMask')).toEqual([
      [0, 1, 1, 0, 0, 1],
      [1, 1, 0, 0, 0, 0],
    ]);
    expect(rowsOf(batch, 'rolloutLogprobs')).toEqual([
      [0, -1, -2, 0, 0, -3],
      [-4, -5, 0, 0, 0, 0],
    ]);
    expect(rowsOf(batch, 'advantages')).toEqual([
      [0, 2, 2, 0, 0, 2],
      [-1, -1, 0, 0, 0, 0],
    ]);
    const w = Math.fround(1 / 5); // token-mean: 3 + 2 sampled tokens
    expect(rowsOf(batch, 'weights')).toEqual([
      [0, w, w, 0, 0, w],
      [w, w, 0, 0, 0, 0],
    ]);
    expect(countSampled(batch)).toBe(5);
    expect([batch.oldLogprobs, batch.referenceLogprobs]).toEqual([undefined, undefined]);
  });

  test('seq-mean-token-mean weighs rows alike: 1 / (2 rows · 3 tokens), 1 / (2 · 2)', () => {
    const weights = rowsOf(collate([first, second], { aggregation: 'seq-mean-token-mean' }), 'weights');
    expect(weights.map((row) => Math.max(...row))).toEqual([1 / 6, 1 / 4].map(Math.fround));
  });

  test('what masked positions hold does not get in', () => {
    const poisoned = { ...second, rolloutLogprobs: [NaN, -4, -5], oldLogprobs: [Infinity, -4, -5] };
    const batch = collate([poisoned, { ...first, oldLogprobs: first.rolloutLogprobs as number[] }]);
    expect(rowsOf(batch, 'oldLogprobs')[0]).toEqual([-4, -5, 0, 0, 0, 0]);
    expect([...(batch.rolloutLogprobs as Float32Array)].every(Number.isFinite)).toBe(true);
  });

  test('a first token in the mask is never a target, so it is not counted', () => {
    const batch = collate([{ tokens: [1, 2], lossMask: [1, 1] }]);
    expect([...batch.weights]).toEqual([1]); // one target, weight 1/1
  });

  test('nothing sampled: zeros, no NaN', () => {
    const batch = collate([{ tokens: [1, 2, 3], lossMask: [0, 0, 0], advantage: 1 }]);
    expect([...batch.weights, countSampled(batch)]).toEqual([0, 0, 0]);
    expect(collate([])).toMatchObject({ rows: 0, length: 0 });
  });

  test.each([
    [{ ...first, lossMask: [0, 1] }, 'row 0: lossMask has 2 entries for 7 tokens'],
    [{ ...second, rolloutLogprobs: [0, NaN, 0] }, 'row 0: rolloutLogprobs[1] is NaN on a sampled token'],
    [{ ...second, lossMask: [0, 0.5, 1] }, 'row 0: lossMask[1] is 0.5, wanted 0 or 1'],
    [{ ...second, tokens: [7, -1, 14] }, 'row 0: tokens[1] is -1, wanted a token id'],
    [{ ...second, advantage: Infinity }, 'row 0: the advantage is Infinity'],
  ])('refuses %#', (row, message) => {
    expect(() => collate([row])).toThrow(message);
  });

  test('a column that only some rows have is refused', () => {
    expect(() => collate([first, { tokens: [1, 2], lossMask: [0, 1] }])).toThrow('row 0 has advantage, row 1 has not');
  });
});

describe('selectRows', () => {
  test('takes rows in the given order, trims the padding, keeps the weights of the whole step', () => {
    const batch = collate([first, second], { padId: 99 });
    const part = selectRows(batch, [1]);
    expect([part.rows, part.length, ...part.lengths]).toEqual([1, 2, 2]);
    expect([...part.inputs, ...part.targets]).toEqual([7, 13, 13, 14]);
    expect([...part.weights]).toEqual([0.2, 0.2].map(Math.fround));
    expect(selectRows(batch, [0, 1])).toEqual(batch);
    expect([...selectRows(batch, [1, 0]).lengths]).toEqual([2, 6]);
  });
  test('an index outside the batch is refused', () => {
    expect(() => selectRows(collate([first]), [1])).toThrow('row 1 of a batch of 1 rows');
  });
});
