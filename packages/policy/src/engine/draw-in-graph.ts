/**
 * Drawing tokens inside a compiled step: by inversion of the cumulative distribution, first over blocks of tokens, then within one.
 * Sums are products with a triangle of ones, which add up in order: cumulative mass never falls, and stays the same over
 * a token of no mass, so that none is ever drawn.
 */
import * as tf from '@tensorflow/tfjs-core';

/** Tokens of a block. */
const BLOCK = 128;

/** One number per row, `[R, 1]` each. */
export interface DrawInputs {
  /** in [0, `LARGEST_UNIFORM`] */
  uniforms: tf.Tensor;
  /** 1 where the row is greedy */
  inverseTemperatures: tf.Tensor;
  /** int32: 1 where the most probable token is wanted, else 0 */
  greedy: tf.Tensor;
}

/** What is below 1 by more than rounding, so that no draw lies beyond the last token. */
export const LARGEST_UNIFORM = 1 - 2 ** -22;

/**
 * Tokens (int32) of `logits [R, V]` and their log-probabilities at each row's temperature, `[R, 1]` each. Not a number where logits are not.
 */
export function drawInGraph(
  logits: tf.Tensor2D,
  { uniforms, inverseTemperatures, greedy }: DrawInputs,
): { tokens: tf.Tensor2D; logprobs: tf.Tensor2D } {
  const exponents = tf.mul(tf.sub(logits, tf.max(logits, 1, true)), inverseTemperatures);
  const mass = tf.exp(exponents) as tf.Tensor2D;
  const { total, tokens: drawn } = logits.shape[1] <= BLOCK ? invert(mass, uniforms) : invertByBlocks(mass, uniforms);
  const best = tf.expandDims(tf.argMax(logits, 1), 1);
  const tokens = tf.where(tf.greater(greedy, 0), best, drawn) as tf.Tensor2D;
  const chosen = tf.gather(exponents, tokens, 1, 1);
  return { tokens, logprobs: tf.sub(chosen, tf.log(total)) };
}

/** The first column at which the cumulative mass passes `uniforms · total`. */
function invert(mass: tf.Tensor2D, uniforms: tf.Tensor): { total: tf.Tensor; tokens: tf.Tensor } {
  const sums = cumulative(mass);
  const total = lastColumn(sums);
  return { total, tokens: columnsUpTo(sums, tf.mul(total, uniforms)) };
}

function invertByBlocks(mass: tf.Tensor2D, uniforms: tf.Tensor): { total: tf.Tensor; tokens: tf.Tensor } {
  const [rows, vocabSize] = mass.shape;
  const blocks = Math.ceil(vocabSize / BLOCK);
  const padded = tf.pad(mass, [
    [0, 0],
    [0, blocks * BLOCK - vocabSize],
  ]);
  const parts = tf.reshape(padded, [rows, blocks, BLOCK]);
  const sums = cumulative(tf.sum(parts, 2));
  const total = lastColumn(sums);
  const wanted = tf.mul(total, uniforms);
  const block = columnsUpTo(sums, wanted);
  const before = tf.gather(tf.pad(sums, [[0, 0], [1, 0]]), block, 1, 1); // prettier-ignore
  const within = cumulative(tf.reshape(tf.gather(parts, block, 1, 1), [rows, BLOCK]));
  // Rounding may leave a little more than the block holds.
  const rest = tf.minimum(tf.sub(wanted, before), tf.mul(lastColumn(within), LARGEST_UNIFORM));
  return { total, tokens: tf.add(tf.mul(block, tf.scalar(BLOCK, 'int32')), columnsUpTo(within, rest)) };
}

/** `[R, n]` → sums of the first 1 … n columns. */
function cumulative(values: tf.Tensor2D): tf.Tensor2D {
  const size = values.shape[1];
  const ones = Float32Array.from({ length: size * size }, (_, i) => (Math.floor(i / size) <= i % size ? 1 : 0));
  return tf.matMul(values, tf.tensor2d(ones, [size, size]));
}

function lastColumn(values: tf.Tensor2D): tf.Tensor {
  return tf.slice(values, [0, values.shape[1] - 1], [-1, 1]);
}

/** How many columns of each row are at most `limits [R, 1]`: int32 `[R, 1]`. */
function columnsUpTo(sums: tf.Tensor, limits: tf.Tensor): tf.Tensor {
  return tf.sum(tf.cast(tf.lessEqual(sums, limits), 'int32'), 1, true);
}
