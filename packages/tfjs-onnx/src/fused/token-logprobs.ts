import * as tf from '@tensorflow/tfjs-core';
import { barrier } from './barrier.js';
import { runFused } from './fused-kernel.js';

export interface TokenLogprobsOptions {
  /** Logits are divided by it. Default 1. */
  temperature?: number;
  /** Whether a gradient flows through the entropies; it costs four more passes over the logits. Default false. */
  entropyGradient?: boolean;
  /**
   * Logits of at most this many rows exist at a time, and are computed a second time for the backward pass. Default: all
   * rows at once, kept for the backward pass, as long as that is at most 2²⁵ numbers (128 MiB); otherwise 512.
   */
  chunkRows?: number;
}

export interface TokenLogprobs {
  /** Natural logarithms, [rows]. */
  logprobs: tf.Tensor1D;
  /** In nats, [rows]. */
  entropies: tf.Tensor1D;
}

const KEPT_AT_MOST = 2 ** 25;

/**
 * The output layer and the loss in one: log-probabilities of `targets` under softmax(hidden · weightᵀ / temperature).
 *
 * With P the softmax, t the targets and g the gradient of the log-probabilities (divided by the temperature), there is no
 * need for the gradient of the logits, which is as large as they are:
 *   dHidden = g · (weight[t] − P·weight)    dWeight = scatter(t, g · hidden) − Pᵀ·(g · hidden)
 * @param hidden [rows, width]
 * @param weight [vocabulary, width]
 * @param targets int32 [rows]
 */
export function linearTokenLogprobs(
  hidden: tf.Tensor2D,
  weight: tf.Tensor2D,
  targets: tf.Tensor1D,
  options: TokenLogprobsOptions = {},
): TokenLogprobs {
  const [rows, width] = hidden.shape;
  const [vocabulary] = weight.shape;
  const { temperature = 1, entropyGradient = false } = options;
  const { chunkRows = rows * vocabulary <= KEPT_AT_MOST ? rows : 512 } = options;
  if (weight.shape[1] !== width || targets.shape.join() !== `${rows}` || targets.dtype !== 'int32')
    throw new Error(
      `linearTokenLogprobs: hidden [${hidden.shape.join(', ')}] needs a weight [vocabulary, ${width}] and int32 targets ` +
        `[${rows}]; got [${weight.shape.join(', ')}] and ${targets.dtype} [${targets.shape.join(', ')}].`,
    );
  const starts = Array.from({ length: Math.ceil(rows / chunkRows) }, (_, chunk) => chunk * chunkRows);
  const keep = starts.length === 1;
  const chunk = <T extends tf.Tensor>(x: T, start: number): T => {
    const size = [Math.min(chunkRows, rows - start), ...x.shape.slice(1)];
    return keep ? x : tf.slice(x, [start, ...x.shape.slice(1).map(() => 0)], size);
  };
  /** log softmax [chunk, vocabulary] */
  const distribution = (states: tf.Tensor2D, matrix: tf.Tensor2D) =>
    logSoftmax(tf.matMul(tf.mul(states, 1 / temperature), matrix, false, true));

  const op = tf.customGrad((...args) => {
    const [states, matrix, save] = args as unknown as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
    let all: tf.Tensor2D | undefined;
    const parts: tf.Tensor[] = [];
    for (const start of starts) {
      const previous = parts.at(-1);
      const own = chunk(states, start);
      all = distribution(previous ? barrier(own, previous) : own, matrix);
      parts.push(tf.stack([select(all, chunk(targets, start)), entropy(all)], 1));
    }
    const value = tf.concat(parts, 0); // [rows, 2]
    save([states, matrix, targets, ...(keep ? [all!] : []), ...(entropyGradient ? [value] : [])]);
    return { value, gradFunc };
  });

  function gradFunc(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
    const [states, matrix, ids] = saved as [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D];
    const gradients = tf.mul(dy, 1 / temperature);
    const dStates: tf.Tensor[] = [];
    let dMatrix: tf.Tensor | undefined;
    for (const start of starts) {
      const own = chunk(states, start);
      const all = keep
        ? saved[3]!
        : distribution(barrier(own, ...(dMatrix ? [dMatrix, dStates.at(-1)!] : [dy])), matrix);
      const [g, gEntropy] = tf.split(chunk(gradients, start), 2, 1) as [tf.Tensor2D, tf.Tensor2D]; // [chunk, 1] each
      const known = entropyGradient ? chunk(saved.at(-1)!, start) : undefined;
      // − d(sum of gradients · outputs) / d(logits), but for the target's own term; without entropy its factor g stays out
      const probabilities = tf.exp(all) as tf.Tensor2D;
      const factor = known && tf.add(g, tf.mul(gEntropy, tf.add(all, tf.slice(known, [0, 1], [-1, 1]))));
      const matter = (factor ? tf.mul(probabilities, factor) : probabilities) as tf.Tensor2D;
      const scaled = tf.mul(own, g);
      const chosen = chunk(ids, start);
      const pulled = tf.matMul(matter, matrix);
      const target = tf.gather(matrix, chosen);
      dStates.push(factor ? tf.sub(tf.mul(target, g), pulled) : tf.mul(tf.sub(target, pulled), g));
      const pushed = tf.matMul(matter, tf.neg(factor ? own : scaled) as tf.Tensor2D, true);
      const total = tf.add(pushed, tf.unsortedSegmentSum(scaled, chosen, vocabulary));
      dMatrix = dMatrix ? tf.add(dMatrix, total) : total;
    }
    return [tf.concat(dStates, 0), dMatrix!];
  }

  const [logprobs, entropies] = tf.unstack(op(hidden, weight), 1) as [tf.Tensor1D, tf.Tensor1D];
  return { logprobs, entropies };
}

export interface SelectedLogprobsOptions {
  /** Logits are divided by it. Default 1. */
  temperature?: number;
}

/**
 * Log-probabilities of `targets` under softmax(logits / temperature): what `linearTokenLogprobs` does for logits that are
 * there already. The backward pass keeps one tensor of their size; there is no gradient through entropies.
 * @param logits [rows, vocabulary]
 * @param targets int32 [rows]
 */
export function selectedLogprobs(
  logits: tf.Tensor2D,
  targets: tf.Tensor1D,
  { temperature = 1 }: SelectedLogprobsOptions = {},
): tf.Tensor1D {
  const [rows, vocabulary] = logits.shape;
  const op = tf.customGrad((...args) => {
    const [scores, save] = args as unknown as [tf.Tensor2D, tf.GradSaveFunc];
    const all = logSoftmax(temperature === 1 ? scores : tf.div(scores, temperature));
    save([all, targets]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const g = tf.reshape(tf.mul(dy, 1 / temperature), [rows, 1]);
      // g · (onehot − P): the one of the target is scattered, cell by cell
      const starts = tf.tensor1d(
        Int32Array.from({ length: rows }, (_, row) => row * vocabulary),
        'int32',
      );
      const cells = tf.add(starts, saved[1]!) as tf.Tensor1D;
      const spread = tf.reshape(tf.unsortedSegmentSum(tf.reshape(g, [rows]), cells, rows * vocabulary), logits.shape);
      return tf.add(tf.mul(tf.exp(saved[0]!), tf.neg(g)), spread);
    };
    return { value: select(all, targets), gradFunc };
  });
  return op(logits) as tf.Tensor1D;
}

function logSoftmax(logits: tf.Tensor2D): tf.Tensor2D {
  return runFused('LogSoftmax', { logits }, { axis: -1 }, (all) => [tf.logSoftmax(all.logits)])[0] as tf.Tensor2D;
}

/** values [rows, n] at columns [rows] → [rows]. By flat index: the WASM backend's gather over a batch reads out of bounds. */
function select(values: tf.Tensor2D, columns: tf.Tensor1D): tf.Tensor1D {
  const [rows, size] = values.shape;
  const starts = tf.tensor1d(
    Int32Array.from({ length: rows }, (_, row) => row * size),
    'int32',
  );
  return tf.gather(tf.reshape(values, [rows * size]), tf.add(starts, columns) as tf.Tensor1D);
}

/** −Σ p log p of each row of log-probabilities. */
function entropy(logprobs: tf.Tensor2D): tf.Tensor1D {
  return tf.neg(tf.sum<tf.Tensor1D>(tf.mul(tf.exp(logprobs), logprobs), -1));
}
