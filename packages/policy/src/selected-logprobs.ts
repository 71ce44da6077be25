/** Log-probabilities of given tokens from hidden states, without holding all logits where the vocabulary is large. */
import * as tf from '@tensorflow/tfjs-core';

export interface SelectedLogprobsOptions {
  /** divides the logits */
  temperature?: number;
  /** without it the entropies are plain numbers to the gradient, which is cheaper */
  entropyGradient?: boolean;
  /** rows whose logits exist at one time */
  chunkRows?: number;
}

/**
 * Natural log-probability of `targets` and entropy (nats) of the softmax of `hidden · headᵀ / temperature`, both `[N]`.
 *
 * With logits z and their softmax p: log p(y) = z_y − log Σ exp z and H = −Σ p·log p, and backwards, for gradients g and e of the two,
 * dz = g·(1_y − p) − e·p·(log p + H). Rows are taken in chunks; if there are several, the backward pass computes their logits again.
 * @param hidden float32 `[N, D]`
 * @param head float32 `[V, D]`
 * @param targets int32 `[N]`
 */
export function selectedLogprobs(
  hidden: tf.Tensor2D,
  head: tf.Tensor2D,
  targets: tf.Tensor1D,
  {
    temperature = 1,
    entropyGradient = true,
    chunkRows = Math.max(1, Math.floor(chunkElements / head.shape[0])),
  }: SelectedLogprobsOptions = {},
): { logprobs: tf.Tensor1D; entropies: tf.Tensor1D } {
  const [rows] = hidden.shape;
  const starts = Array.from({ length: Math.ceil(rows / chunkRows) }, (_, i) => i * chunkRows);
  const chunk = (tensor: tf.Tensor, start: number) => rowRange(tensor, start, Math.min(chunkRows, rows - start));
  const heated = (x: tf.Tensor) => (temperature === 1 ? x : tf.div(x, temperature));
  const logSoftmaxOf = (h: tf.Tensor, w: tf.Tensor, start: number) =>
    tf.logSoftmax(heated(tf.matMul(chunk(h, start), w, false, true))); // [n, V]
  const oneHotTargets = (start: number) => tf.oneHot(chunk(targets, start), head.shape[0], 1, 0, 'float32'); // [n, V]

  const operation = tf.customGrad((...inputs) => {
    const [h, w, save] = inputs as unknown as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
    const all = starts.map((start) => logSoftmaxOf(h, w, start));
    const results = all.map((logSoftmax, i) => {
      const selected = tf.sum(tf.mul(logSoftmax, oneHotTargets(starts[i] as number)), 1);
      return tf.stack([selected, tf.neg(tf.sum(tf.mul(tf.exp(logSoftmax), logSoftmax), 1))], 1); // [n, 2]
    });
    const value = concatenated(results); // [N, 2]
    save(all.length === 1 ? [h, w, value, ...all] : [h, w, value]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [h, w, value, kept] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor?];
      const dHidden: tf.Tensor[] = [];
      const dHead: tf.Tensor[] = [];
      for (const start of starts) {
        const logSoftmax = kept ?? logSoftmaxOf(h, w, start);
        const results = heated(chunk(dy, start)); // [n, 2]
        const g = rowRange(results, 0, 1, 1);
        let dLogits = tf.mul(g, tf.sub(oneHotTargets(start), tf.exp(logSoftmax))); // [n, V]
        if (entropyGradient) {
          const e = rowRange(results, 1, 1, 1);
          const deviation = tf.add(logSoftmax, rowRange(chunk(value, start), 1, 1, 1)); // log p + H
          dLogits = tf.sub(dLogits, tf.mul(tf.mul(e, tf.exp(logSoftmax)), deviation));
        }
        dHidden.push(tf.matMul(dLogits, w));
        dHead.push(tf.matMul(dLogits, chunk(h, start), true, false));
      }
      return [concatenated(dHidden), tf.addN(dHead)];
    };
    return { value, gradFunc };
  });
  const [logprobs, entropies] = tf.unstack(operation(hidden, head), 1) as [tf.Tensor1D, tf.Tensor1D];
  return { logprobs, entropies };
}

/** Logits in one chunk: 64 MiB. */
const chunkElements = (64 << 20) / 4;

/** `count` entries of one axis from `start`; the tensor itself if that is all of them. */
function rowRange(tensor: tf.Tensor, start: number, count: number, axis = 0): tf.Tensor {
  if (start === 0 && count === tensor.shape[axis]) return tensor;
  const begin = tensor.shape.map((_, i) => (i === axis ? start : 0));
  return tf.slice(
    tensor,
    begin,
    tensor.shape.map((size, i) => (i === axis ? count : size)),
  );
}

function concatenated(parts: tf.Tensor[]): tf.Tensor {
  return parts.length === 1 ? (parts[0] as tf.Tensor) : tf.concat(parts, 0);
}
