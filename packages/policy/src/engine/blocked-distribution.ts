/**
 * Large vocabularies: the exponentials are computed in the graph, with their sums over blocks of tokens, so that a draw on the host
 * reads a few hundred numbers instead of computing a hundred thousand exponentials.
 */
import * as tf from '@tensorflow/tfjs-core';

import type { Draw } from './draw.js';

/** From this size on it pays. */
export const LARGE_VOCABULARY = 4096;

/** Tokens of a block. */
const BLOCK = 128;

/** `exp((logits − max) / temperature)` of a row, its sums over blocks, and max. */
export interface BlockedDistribution {
  mass: Float32Array;
  blocks: Float32Array;
  max: number;
}

/** Shapes of the outputs of `blockedDistribution` for a number of rows. */
export function blockedShapes(rows: number, vocabSize: number): Record<'mass' | 'blocks' | 'max', number[]> {
  const blocks = Math.ceil(vocabSize / BLOCK);
  return { mass: [rows, blocks * BLOCK], blocks: [rows, blocks], max: [rows, 1] };
}

/** In the graph: `logits [R, V]` and `inverseTemperatures [R]` → the three parts; padding has no mass. */
export function blockedDistribution(logits: tf.Tensor2D, inverseTemperatures: tf.Tensor): Record<string, tf.Tensor> {
  const [rows, vocabSize] = logits.shape;
  const { mass: padded, blocks } = blockedShapes(rows, vocabSize);
  const max = tf.max(logits, 1, true);
  const exponents = tf.mul(tf.sub(logits, max), tf.reshape(inverseTemperatures, [rows, 1]));
  const mass = tf.pad(tf.exp(exponents) as tf.Tensor2D, [
    [0, 0],
    [0, (padded[1] as number) - vocabSize],
  ]);
  return { mass, blocks: tf.sum(tf.reshape(mass, [...blocks, BLOCK]), 2), max };
}

/**
 * A token by inversion of the cumulative distribution, first over blocks, then within one.
 * @param logits the row's logits, for the log-probability
 */
export function drawFromBlocks(
  { mass, blocks, max }: BlockedDistribution,
  logits: Float32Array,
  random: number,
  temperature: number,
): Draw {
  let total = 0;
  for (const sum of blocks) total += sum;
  if (!(total > 0 && total < Infinity)) {
    throw new Error(`the model's logits have no finite sum (${total}): its weights or activations have diverged`);
  }
  let rest = random * total;
  let block = 0;
  let last = 0;
  for (let i = 0; i < blocks.length && rest >= 0; i++) {
    const sum = blocks[i] as number;
    if (sum === 0) continue;
    block = i;
    last = sum;
    rest -= sum;
  }
  // Back to the start of the block. Rounding may leave a little behind its last token, and then that one is taken.
  rest += last;
  let token = block * BLOCK;
  for (let id = block * BLOCK; id < (block + 1) * BLOCK && rest >= 0; id++) {
    const own = mass[id] as number;
    if (own === 0) continue;
    token = id;
    rest -= own;
  }
  return { token, logprob: ((logits[token] as number) - max) / temperature - Math.log(total) };
}
