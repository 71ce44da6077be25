import type { Batch } from './batch.js';
import { lossWeights } from './loss-weights.js';
import type { LossWeightsOptions } from './loss-weights.js';

/** One row, every array aligned with `tokens`. A `Trajectory` is one; so is a supervised example. */
export interface CollateRow {
  tokens: readonly number[];
  /** 1 where the policy sampled the token (or, supervised, where it is to be learned) */
  lossMask: readonly number[];
  rolloutLogprobs?: readonly number[];
  oldLogprobs?: readonly number[];
  referenceLogprobs?: readonly number[];
  /** one advantage for all sampled tokens of the row */
  advantage?: number;
}

export interface CollateOptions extends LossWeightsOptions {
  padId?: number;
}

/**
 * Rows of one optimizer step → one {@link Batch}. The only place that pads, and the only place that shifts by one:
 * position t holds the input `tokens[t]` and everything about its target `tokens[t + 1]`. `weights` are those of the
 * whole step (see `lossWeights`), so micro-batches taken with `selectRows` add up. What is not sampled is written as 0.
 *
 * @throws if a row's arrays differ in length, a mask is not 0 or 1, a sampled position is not finite, or only some rows
 * bring an optional column; the message names row and token
 */
export function collate(rows: readonly CollateRow[], options: CollateOptions = {}): Batch {
  const { padId = 0, ...weightOptions } = options;
  rows.forEach(checkRow);
  const lengths = Int32Array.from(rows, (row) => Math.max(0, row.tokens.length - 1));
  const length = lengths.reduce((longest, value) => Math.max(longest, value), 0);
  const { perToken } = lossWeights(rows.map(countTargets), weightOptions);

  /** fills `[rows, length]` with value(row, index of the target token) on real positions */
  function fill<A extends Int32Array | Float32Array>(array: A, value: (row: CollateRow, token: number) => number): A {
    rows.forEach((row, r) => {
      for (let t = 0; t < row.tokens.length - 1; t++) array[r * length + t] = value(row, t + 1);
    });
    return array;
  }
  const floats = (value: (row: CollateRow, token: number) => number): Float32Array =>
    fill(new Float32Array(rows.length * length), (row, token) => (row.lossMask[token] === 1 ? value(row, token) : 0));
  const ids = (value: (row: CollateRow, token: number) => number): Int32Array =>
    fill(new Int32Array(rows.length * length).fill(padId), value);

  const batch: Batch = {
    rows: rows.length,
    length,
    lengths,
    inputs: ids((row, token) => row.tokens[token - 1] as number),
    targets: ids((row, token) => row.tokens[token] as number),
    lossMask: floats(() => 1),
    weights: new Float32Array(rows.length * length),
  };
  batch.weights.set(batch.lossMask.map((mask, i) => mask * (perToken[Math.floor(i / length)] as number)));
  if (allHave(rows, 'advantage')) batch.advantages = floats((row) => row.advantage as number);
  for (const column of ['rolloutLogprobs', 'oldLogprobs', 'referenceLogprobs'] as const) {
    if (allHave(rows, column)) batch[column] = floats((row, token) => row[column]?.[token] as number);
  }
  return batch;
}

/** The given rows of a batch, in that order, padded no longer than they need. `weights` stay those of the whole step. */
export function selectRows(batch: Batch, rows: readonly number[]): Batch {
  const bad = rows.find((row) => !(row >= 0 && row < batch.rows));
  if (bad !== undefined) throw new RangeError(`selectRows: row ${bad} of a batch of ${batch.rows} rows.`);
  const lengths = Int32Array.from(rows, (row) => batch.lengths[row] as number);
  const length = lengths.reduce((longest, value) => Math.max(longest, value), 0);
  function pick<A extends Int32Array | Float32Array>(source: A, target: A): A {
    rows.forEach((row, r) => target.set(source.subarray(row * batch.length, row * batch.length + length), r * length));
    return target;
  }
  const ints = (source: Int32Array): Int32Array => pick(source, new Int32Array(rows.length * length));
  const floats = (source: Float32Array): Float32Array => pick(source, new Float32Array(rows.length * length));
  return {
    rows: rows.length,
    length,
    lengths,
    inputs: ints(batch.inputs),
    targets: ints(batch.targets),
    lossMask: floats(batch.lossMask),
    weights: floats(batch.weights),
    ...(batch.advantages && { advantages: floats(batch.advantages) }),
    ...(batch.oldLogprobs && { oldLogprobs: floats(batch.oldLogprobs) }),
    ...(batch.rolloutLogprobs && { rolloutLogprobs: floats(batch.rolloutLogprobs) }),
    ...(batch.referenceLogprobs && { referenceLogprobs: floats(batch.referenceLogprobs) }),
  };
}

/** Targets in the loss. 0: nothing to learn from, skip the step. */
export function countSampled(batch: Pick<Batch, 'lossMask'>): number {
  return batch.lossMask.reduce((count, mask) => count + (mask > 0 ? 1 : 0), 0);
}

/** the first token of a row is never predicted, so never counted */
function countTargets(row: CollateRow): number {
  return row.lossMask.reduce((count, mask, token) => count + (token > 0 ? mask : 0), 0);
}

function allHave(rows: readonly CollateRow[], column: keyof CollateRow): boolean {
  const missing = rows.findIndex((row) => row[column] === undefined);
  if (missing < 0) return rows.length > 0;
  const present = rows.findIndex((row) => row[column] !== undefined);
  if (present < 0) return false;
  throw new Error(`collate: row ${present} has ${column}, row ${missing} has not; give it for all rows or for none.`);
}

function checkRow(row: CollateRow, index: number): void {
  const { tokens, lossMask, advantage } = row;
  const fail = (problem: string): never => {
    throw new Error(`collate: row ${index}: ${problem}`);
  };
  if (advantage !== undefined && !Number.isFinite(advantage))
    fail(`the advantage is ${advantage}, wanted a finite number.`);
  for (const column of ['lossMask', 'rolloutLogprobs', 'oldLogprobs', 'referenceLogprobs'] as const) {
    const values = row[column];
    if (values === undefined) continue;
    if (values.length !== tokens.length) fail(`${column} has ${values.length} entries for ${tokens.length} tokens.`);
    const bad = values.findIndex((value, i) => lossMask[i] === 1 && !Number.isFinite(value));
    if (bad >= 0) fail(`${column}[${bad}] is ${values[bad]} on a sampled token, wanted a finite number.`);
  }
  const mask = lossMask.findIndex((value) => value !== 0 && value !== 1);
  if (mask >= 0) fail(`lossMask[${mask}] is ${lossMask[mask]}, wanted 0 or 1.`);
  const token = tokens.findIndex((value) => !Number.isInteger(value) || value < 0);
  if (token >= 0) fail(`tokens[${token}] is ${tokens[token]}, wanted a token id (an integer ≥ 0).`);
}
