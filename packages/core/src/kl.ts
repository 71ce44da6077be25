import * as tf from '@tensorflow/tfjs-core';
import type { DapoLossOptions } from './batch.js';

export type KlEstimator = NonNullable<DapoLossOptions['klEstimator']>;

/** k3 is cut to ±this, as verl does: one token with a vanished probability must not own the step. */
const K3_LIMIT = 10;

/**
 * Estimate of KL(π ‖ π_ref) from one sampled token, with δ = log π − log π_ref:
 * k1 = δ, k2 = δ²/2, k3 = exp(−δ) + δ − 1 (cut to ±10), abs = |δ|.
 *
 * Source: J. Schulman, "Approximating KL divergence", 2020, http://joschu.net/blog/kl-approx.html
 */
export function klEstimate(logprob: number, referenceLogprob: number, estimator: KlEstimator): number {
  const delta = logprob - referenceLogprob;
  switch (estimator) {
    case 'k1':
      return delta;
    case 'k2':
      return 0.5 * delta * delta;
    case 'k3':
      return Math.min(K3_LIMIT, Math.max(-K3_LIMIT, Math.exp(-delta) + delta - 1));
    case 'abs':
      return Math.abs(delta);
  }
}

/** ∂ {@link klEstimate} / ∂ logprob. 0 where k3 is cut. */
export function klEstimateGradient(logprob: number, referenceLogprob: number, estimator: KlEstimator): number {
  const delta = logprob - referenceLogprob;
  switch (estimator) {
    case 'k1':
      return 1;
    case 'k2':
      return delta;
    case 'k3':
      return Math.exp(-delta) + delta - 1 > K3_LIMIT ? 0 : 1 - Math.exp(-delta);
    case 'abs':
      return Math.sign(delta);
  }
}

/** {@link klEstimate} on tensors of any one shape; differentiable in both arguments. The caller disposes the result. */
export function klPenalty(logprobs: tf.Tensor, referenceLogprobs: tf.Tensor, estimator: KlEstimator): tf.Tensor {
  return tf.tidy(() => {
    const delta = tf.sub(logprobs, referenceLogprobs);
    switch (estimator) {
      case 'k1':
        return delta;
      case 'k2':
        return tf.mul(0.5, tf.mul(delta, delta));
      case 'k3':
        return tf.clipByValue(tf.sub(tf.add(tf.exp(tf.neg(delta)), delta), 1), -K3_LIMIT, K3_LIMIT);
      case 'abs':
        return tf.abs(delta);
    }
  });
}
