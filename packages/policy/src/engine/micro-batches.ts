import { paddedLength } from './ladder.js';

/** Rows that are computed together, padded to one shape. */
export interface MicroBatch {
  /** indices into the batch */
  rows: number[];
  /** padded number of rows: the full size for this length, or a half, a quarter, … of it */
  size: number;
  /** padded length */
  length: number;
}

export interface PlanOptions {
  /** at most this many padded positions in a micro-batch; a longer row is alone in its own */
  microBatchTokens: number;
}

/** Cost of one more micro-batch, in positions: dispatch, and reading and writing the gradients once more. */
const CALL_COST = 192;

/**
 * Splits a batch into micro-batches of few shapes and little padding. Rows are sorted by length and cut where the padded
 * work, plus a fixed cost per micro-batch, is least (dynamic programming over the cuts). A pure function of the lengths:
 * the same batch is always summed in the same order.
 */
export function planMicroBatches(lengths: ArrayLike<number>, { microBatchTokens }: PlanOptions): MicroBatch[] {
  const order = Array.from({ length: lengths.length }, (_, row) => row).filter((row) => (lengths[row] as number) > 0);
  order.sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
  const count = order.length;
  const cost = new Float64Array(count + 1).fill(Infinity);
  const cut = new Int32Array(count + 1);
  cost[0] = 0;
  for (let end = 1; end <= count; end++) {
    const length = paddedLength(lengths[order[end - 1] as number] as number);
    const full = fullSize(length, microBatchTokens);
    for (let rows = 1; rows <= Math.min(full, end); rows++) {
      const total = (cost[end - rows] as number) + paddedSize(rows, full) * length + CALL_COST;
      if (total < (cost[end] as number)) {
        cost[end] = total;
        cut[end] = end - rows;
      }
    }
  }
  const plan: MicroBatch[] = [];
  for (let end = count; end > 0; end = cut[end] as number) {
    const rows = order.slice(cut[end], end);
    const length = paddedLength(lengths[rows.at(-1) as number] as number);
    plan.push({ rows, size: paddedSize(rows.length, fullSize(length, microBatchTokens)), length });
  }
  return plan;
}

function fullSize(length: number, microBatchTokens: number): number {
  return Math.max(1, Math.floor(microBatchTokens / length));
}

/** Smallest of `full`, ⌈full/2⌉, ⌈full/4⌉, … that holds `rows`. */
function paddedSize(rows: number, full: number): number {
  let size = full;
  while (size > 1 && Math.ceil(size / 2) >= rows) size = Math.ceil(size / 2);
  return size;
}
