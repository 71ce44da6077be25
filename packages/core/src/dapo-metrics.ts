import type { Batch, DapoLossOptions } from './batch.js';
import { dapoTokenScalar } from './dapo-scalar.js';
import type { DapoToken } from './dapo-scalar.js';
import { klEstimate } from './kl.js';

/** Row-major columns, one entry per predicted token. A `Batch` is one; so are plain arrays. */
export interface DapoColumns {
  lossMask: ArrayLike<number>;
  advantages?: ArrayLike<number>;
  /** missing: no update came between, the policy is that of before the update, and every ratio is 1 */
  oldLogprobs?: ArrayLike<number>;
  rolloutLogprobs?: ArrayLike<number>;
  referenceLogprobs?: ArrayLike<number>;
}

/** What is logged of an update. All over sampled tokens only; all 0 (ratios 1) when there are none. */
export interface DapoMetrics {
  /** sampled tokens; weigh by it when several batches are averaged */
  tokens: number;
  clipFraction: number;
  /** share of tokens cut by the dual clip */
  lowerClipFraction: number;
  /** mean of −log r = oldLogprob − logprob (nats) */
  approxKl: number;
  ratioMin: number;
  ratioMax: number;
  /** mean entropy of the policy (nats), when the engine gave entropies */
  entropy?: number;
  /** mean KL estimate against the reference policy, when there is one */
  referenceKl?: number;
  /** |oldLogprob − rolloutLogprob|: how far the trainer's forward pass is from the sampler's */
  mismatchMean?: number;
  mismatchMax?: number;
  /** k3 estimate of KL(sampler ‖ trainer) */
  mismatchKl?: number;
}

/**
 * Metrics of a batch under the policy whose log-probabilities are `logprobs` (row major, as the learner returns them).
 *
 * @throws if `advantages` are missing, or an array has another length than `lossMask`
 */
export function dapoMetrics(
  columns: DapoColumns | Batch,
  logprobs: ArrayLike<number>,
  options: DapoLossOptions & { entropies?: ArrayLike<number> | undefined } = {},
): DapoMetrics {
  const { entropies, ...lossOptions } = options;
  const tokens = sampledTokens(columns, logprobs, entropies);
  const results = tokens.map((token) => dapoTokenScalar(token, lossOptions));
  const logRatios = tokens.map((token) => token.logprob - token.oldLogprob);
  const metrics: DapoMetrics = {
    tokens: tokens.length,
    clipFraction: mean(results.map((result) => Number(result.clipped))),
    lowerClipFraction: mean(results.map((result) => Number(result.lowerClipped))),
    approxKl: mean(logRatios.map((logRatio) => -logRatio)),
    ratioMin: tokens.length > 0 ? Math.exp(logRatios.reduce((least, value) => Math.min(least, value))) : 1,
    ratioMax: tokens.length > 0 ? Math.exp(largest(logRatios)) : 1,
  };
  if (entropies) metrics.entropy = mean(tokens.map((token) => token.entropy as number));
  if (columns.referenceLogprobs) {
    const estimator = lossOptions.klEstimator ?? 'k3';
    metrics.referenceKl = mean(
      tokens.map((token) => klEstimate(token.logprob, token.referenceLogprob as number, estimator)),
    );
  }
  if (columns.rolloutLogprobs) {
    const gaps = tokens.map((token) => Math.abs(token.oldLogprob - (token.rolloutLogprob as number)));
    metrics.mismatchMean = mean(gaps);
    metrics.mismatchMax = tokens.length > 0 ? largest(gaps) : 0;
    metrics.mismatchKl = mean(
      tokens.map((token) => klEstimate(token.rolloutLogprob as number, token.oldLogprob, 'k3')),
    );
  }
  return metrics;
}

/**
 * Σ weights · loss over the sampled tokens, in float64, and its gradient by `logprobs` (0 elsewhere): `dapoLoss` for
 * engines that are given per-token gradients, and the yardstick of `verifyPolicyLoss`.
 */
export function dapoLossScalar(
  columns: DapoColumns & { weights: ArrayLike<number> },
  logprobs: ArrayLike<number>,
  options: DapoLossOptions & { entropies?: ArrayLike<number> | undefined } = {},
): { loss: number; gradient: Float64Array } {
  const { entropies, ...lossOptions } = options;
  const gradient = new Float64Array(columns.lossMask.length);
  let loss = 0;
  for (const { index, ...token } of sampledTokens(columns, logprobs, entropies)) {
    const result = dapoTokenScalar(token, lossOptions);
    const weight = columns.weights[index] as number;
    loss += weight * result.loss;
    gradient[index] = weight * result.gradient;
  }
  return { loss, gradient };
}

function sampledTokens(
  columns: DapoColumns,
  logprobs: ArrayLike<number>,
  entropies: ArrayLike<number> | undefined,
): (DapoToken & { index: number })[] {
  const { lossMask, advantages, oldLogprobs = logprobs, rolloutLogprobs, referenceLogprobs } = columns;
  if (!advantages) throw new Error('DAPO needs advantages: collate the rows with an advantage each.');
  const lengths = Object.entries({ logprobs, entropies, advantages, oldLogprobs, rolloutLogprobs, referenceLogprobs });
  for (const [name, array] of lengths) {
    if (array && array.length !== lossMask.length) {
      throw new Error(`${name} has ${array.length} entries, lossMask has ${lossMask.length}; they must be equal.`);
    }
  }
  const tokens: (DapoToken & { index: number })[] = [];
  for (let index = 0; index < lossMask.length; index++) {
    if (!((lossMask[index] as number) > 0)) continue;
    tokens.push({
      index,
      logprob: logprobs[index] as number,
      oldLogprob: oldLogprobs[index] as number,
      advantage: advantages[index] as number,
      ...(rolloutLogprobs && { rolloutLogprob: rolloutLogprobs[index] as number }),
      ...(referenceLogprobs && { referenceLogprob: referenceLogprobs[index] as number }),
      ...(entropies && { entropy: entropies[index] as number }),
    });
  }
  return tokens;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
}
