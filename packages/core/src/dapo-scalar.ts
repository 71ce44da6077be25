import type { DapoLossOptions } from './batch.js';
import { LOG_RATIO_LIMIT } from './dapo-loss.js';
import { klEstimate, klEstimateGradient } from './kl.js';

/** One sampled token. Natural logarithms. */
export interface DapoToken {
  logprob: number;
  oldLogprob: number;
  advantage: number;
  rolloutLogprob?: number;
  referenceLogprob?: number;
  /** entropy of the policy at this position (nats) */
  entropy?: number;
}

export interface DapoTokenResult {
  loss: number;
  /** ∂ loss / ∂ logprob, without the entropy bonus (its gradient does not go through `logprob`) */
  gradient: number;
  /** the ratio left [1 − clipLow, 1 + clipHigh] on the side where that stops the gradient */
  clipped: boolean;
  /** the dual clip cut the loss */
  lowerClipped: boolean;
}

/**
 * `dapoTokenLoss` for one token in float64, with its gradient: the same formula in plain numbers. For metrics, for
 * checks, and for engines that take per-token gradients instead of a loss.
 *
 * @throws if an option needs a value that is missing
 */
export function dapoTokenScalar(token: DapoToken, options: DapoLossOptions = {}): DapoTokenResult {
  const { clipLow = 0.2, clipHigh = 0.28, dualClip = 10, klCoefficient = 0, klEstimator = 'k3' } = options;
  const { entropyCoefficient = 0, truncatedImportanceCap = null } = options;
  const { logprob, oldLogprob, advantage } = token;

  const logRatio = logprob - oldLogprob;
  const ratio = Math.exp(Math.min(LOG_RATIO_LIMIT, Math.max(-LOG_RATIO_LIMIT, logRatio)));
  const plain = -advantage * ratio;
  const bounded = -advantage * Math.min(1 + clipHigh, Math.max(1 - clipLow, ratio));
  const clipped = bounded > plain;
  let loss = clipped ? bounded : plain;
  let gradient = clipped || Math.abs(logRatio) > LOG_RATIO_LIMIT ? 0 : plain; // d(−A·exp(x))/dx is the value itself

  const lowerClipped = dualClip !== null && advantage < 0 && loss > -advantage * dualClip;
  if (lowerClipped) [loss, gradient] = [-advantage * dualClip, 0];

  if (truncatedImportanceCap !== null) {
    const rollout = wanted(token.rolloutLogprob, 'rolloutLogprob', 'truncatedImportanceCap');
    const weight = Math.min(Math.exp(oldLogprob - rollout), truncatedImportanceCap);
    [loss, gradient] = [loss * weight, gradient * weight];
  }
  if (klCoefficient !== 0) {
    const reference = wanted(token.referenceLogprob, 'referenceLogprob', 'klCoefficient');
    loss += klCoefficient * klEstimate(logprob, reference, klEstimator);
    gradient += klCoefficient * klEstimateGradient(logprob, reference, klEstimator);
  }
  if (entropyCoefficient !== 0) loss -= entropyCoefficient * wanted(token.entropy, 'entropy', 'entropyCoefficient');
  return { loss, gradient, clipped, lowerClipped };
}

function wanted(value: number | undefined, name: string, option: string): number {
  if (value === undefined)
    throw new Error(`Option ${option} needs ${name}, which is missing: give it, or leave ${option} off.`);
  return value;
}
