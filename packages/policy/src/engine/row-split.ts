/** Splitting a batch into parts by rows, and putting results of the parts back together. */
import type { Batch } from '@tapo/core';

/** Deals rows out to `parts`, longest first and back and forth, so that each gets about the same work. A function of the lengths alone. */
export function dealRows(lengths: ArrayLike<number>, parts: number): number[][] {
  const order = Array.from({ length: lengths.length }, (_, row) => row);
  order.sort((a, b) => (lengths[b] as number) - (lengths[a] as number) || a - b);
  const dealt: number[][] = Array.from({ length: parts }, () => []);
  order.forEach((row, i) => {
    const turn = i % (2 * parts);
    dealt[turn < parts ? turn : 2 * parts - 1 - turn]!.push(row);
  });
  return dealt;
}

/** The given rows of a batch, at its length. */
export function selectBatchRows(batch: Batch, rows: readonly number[]): Batch {
  const { length } = batch;
  const select = <A extends Float32Array | Int32Array>(source: A, target: A): A => {
    rows.forEach((row, i) => target.set(source.subarray(row * length, (row + 1) * length), i * length));
    return target;
  };
  const floats = (source: Float32Array) => select(source, new Float32Array(rows.length * length));
  const { advantages, oldLogprobs, rolloutLogprobs, referenceLogprobs } = batch;
  return {
    rows: rows.length,
    length,
    lengths: Int32Array.from(rows, (row) => batch.lengths[row] as number),
    inputs: select(batch.inputs, new Int32Array(rows.length * length)),
    targets: select(batch.targets, new Int32Array(rows.length * length)),
    lossMask: floats(batch.lossMask),
    weights: floats(batch.weights),
    ...(advantages && { advantages: floats(advantages) }),
    ...(oldLogprobs && { oldLogprobs: floats(oldLogprobs) }),
    ...(rolloutLogprobs && { rolloutLogprobs: floats(rolloutLogprobs) }),
    ...(referenceLogprobs && { referenceLogprobs: floats(referenceLogprobs) }),
  };
}

/** A column of the whole batch from columns of its parts. */
export function mergeRows(
  { rows, length }: Batch,
  parts: readonly number[][],
  columns: readonly Float32Array[],
): Float32Array {
  const merged = new Float32Array(rows * length);
  parts.forEach((members, part) => {
    const column = columns[part] as Float32Array;
    members.forEach((row, i) => merged.set(column.subarray(i * length, (i + 1) * length), row * length));
  });
  return merged;
}
