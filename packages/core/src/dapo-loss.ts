import * as tf from '@tensorflow/tfjs-core';
import type { DapoLossOptions } from './batch.js';
import { klPenalty } from './kl.js';
import { stopGradient } from './stop-gradient.js';

/**
 * |log r| is cut here before exp, so that exp(±20) stays finite in float32. Changes nothing that counts: beyond it the
 * clip (A > 0) or the dual clip (A < 0) has long removed the gradient.
 */
export const LOG_RATIO_LIMIT = 20;

/** Tensors of one shape, one element per predicted token. Natural logarithms. */
export interface DapoTokenTensors {
  /** log π(token) of the policy being trained; the gradient flows here */
  logprobs: tf.Tensor;
  /**
   * log π_old(token): training forward before the update. Leave out where no update came between (a step's first
   * mini-batch): then π_old is π, every ratio is exactly 1, and a forward pass is saved. Wrong anywhere else.
   */
  oldLogprobs?: tf.Tensor;
  advantages: tf.Tensor;
  /** the sampler's own; needed when `truncatedImportanceCap` is set */
  rolloutLogprobs?: tf.Tensor;
  /** needed when `klCoefficient` is not 0 */
  referenceLogprobs?: tf.Tensor;
  /** entropy of π at each position (nats), differentiable; needed when `entropyCoefficient` is not 0 */
  entropies?: tf.Tensor;
}

/** {@link DapoTokenTensors} with what turns token losses into one number. */
export interface DapoLossTensors extends DapoTokenTensors {
  /** > 0 where the policy sampled the token */
  lossMask: tf.Tensor;
  /** see `lossWeights`: aggregation and the whole step's denominator */
  weights: tf.Tensor;
}

/**
 * The DAPO loss of each token, with r = exp(logprob − oldLogprob):
 *
 *     L = max(−A·r, −A·clip(r, 1 − clipLow, 1 + clipHigh))          clip-higher, https://arxiv.org/abs/2503.14476 eq. 8
 *     L = min(L, −A·dualClip)                        where A < 0    dual clip, https://arxiv.org/abs/1912.09729 eq. 5
 *     L = L · min(exp(oldLogprob − rolloutLogprob), cap)            truncated importance sampling, a constant weight,
 *                                                                   https://arxiv.org/abs/2508.18271
 *     L = L + klCoefficient · KL(π ‖ π_ref) − entropyCoefficient · H(π)
 *
 * Works on any tfjs backend; differentiable in `logprobs` and `entropies`; knows nothing of masks. The caller disposes
 * the result, of the shape of the inputs.
 *
 * @throws if shapes differ, or an option needs a tensor that is missing.
 */
export function dapoTokenLoss(tensors: DapoTokenTensors, options: DapoLossOptions = {}): tf.Tensor {
  const { clipLow = 0.2, clipHigh = 0.28, dualClip = 10, klCoefficient = 0, klEstimator = 'k3' } = options;
  const { entropyCoefficient = 0, truncatedImportanceCap = null } = options;
  const { logprobs, advantages, rolloutLogprobs, referenceLogprobs, entropies } = tensors;
  assertSameShape(tensors);

  return tf.tidy(() => {
    const oldLogprobs = tensors.oldLogprobs ?? stopGradient(logprobs);
    const ratio = tf.exp(tf.clipByValue(tf.sub(logprobs, oldLogprobs), -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT));
    const negative = tf.neg(advantages);
    const clipped = tf.clipByValue(ratio, 1 - clipLow, 1 + clipHigh);
    let loss: tf.Tensor = tf.maximum(tf.mul(negative, ratio), tf.mul(negative, clipped));
    if (dualClip !== null) {
      loss = tf.where(tf.less(advantages, 0), tf.minimum(loss, tf.mul(negative, dualClip)), loss);
    }
    if (truncatedImportanceCap !== null) {
      const sampler = wanted(rolloutLogprobs, 'rolloutLogprobs', 'truncatedImportanceCap');
      loss = tf.mul(loss, tf.minimum(tf.exp(tf.sub(oldLogprobs, sampler)), truncatedImportanceCap));
    }
    if (klCoefficient !== 0) {
      const reference = wanted(referenceLogprobs, 'referenceLogprobs', 'klCoefficient');
      loss = tf.add(loss, tf.mul(klPenalty(logprobs, reference, klEstimator), klCoefficient));
    }
    if (entropyCoefficient !== 0) {
      loss = tf.sub(loss, tf.mul(wanted(entropies, 'entropies', 'entropyCoefficient'), entropyCoefficient));
    }
    return loss;
  });
}

/**
 * Σ weights · {@link dapoTokenLoss} over the positions of `lossMask`: a scalar whose parts over any split into
 * micro-batches add up to the loss of the whole step.
 *
 * Masked positions are replaced by constants *before* any arithmetic, so nothing they hold (±Infinity and NaN included)
 * reaches value or gradient; multiplying by a zero mask would not do. The caller disposes the result.
 */
export function dapoLoss(tensors: DapoLossTensors, options: DapoLossOptions = {}): tf.Scalar {
  assertSameShape(tensors);
  return tf.tidy(() => {
    const { lossMask, weights, ...perToken } = tensors;
    const sampled = tf.greater(lossMask, 0);
    const zeros = tf.zerosLike(weights);
    const keep = (tensor: tf.Tensor): tf.Tensor => tf.where(sampled, tensor, zeros);
    const kept: DapoTokenTensors = {
      logprobs: keep(perToken.logprobs),
      advantages: keep(perToken.advantages),
    };
    if (perToken.oldLogprobs) kept.oldLogprobs = keep(perToken.oldLogprobs);
    if (perToken.rolloutLogprobs) kept.rolloutLogprobs = keep(perToken.rolloutLogprobs);
    if (perToken.referenceLogprobs) kept.referenceLogprobs = keep(perToken.referenceLogprobs);
    if (perToken.entropies) kept.entropies = keep(perToken.entropies);
    return tf.sum<tf.Scalar>(tf.mul(keep(weights), dapoTokenLoss(kept, options)));
  });
}

/** Supervised loss: −Σ weights · logprobs over the positions of `lossMask`. Masked positions have no influence. */
export function crossEntropyLoss(tensors: Pick<DapoLossTensors, 'logprobs' | 'lossMask' | 'weights'>): tf.Scalar {
  assertSameShape(tensors);
  return tf.tidy(() => {
    const { logprobs, lossMask, weights } = tensors;
    const sampled = tf.greater(lossMask, 0);
    const zeros = tf.zerosLike(weights);
    return tf.neg(tf.sum<tf.Scalar>(tf.mul(tf.where(sampled, weights, zeros), tf.where(sampled, logprobs, zeros))));
  });
}

function assertSameShape(tensors: object): void {
  const entries = Object.entries(tensors) as [string, tf.Tensor | undefined][];
  const shapes = entries.flatMap(([name, tensor]) => (tensor ? [[name, `[${tensor.shape.join(', ')}]`] as const] : []));
  if (new Set(shapes.map(([, shape]) => shape)).size > 1) {
    const list = shapes.map(([name, shape]) => `${name} ${shape}`).join(', ');
    throw new Error(`The loss wants tensors of one shape, got ${list}.`);
  }
}

function wanted(tensor: tf.Tensor | undefined, name: string, option: string): tf.Tensor {
  if (!tensor)
    throw new Error(`Option ${option} needs the tensor ${name}, which is missing: give it, or leave ${option} off.`);
  return tensor;
}
