/** How token losses become one number. */
export type LossAggregation = 'token-mean' | 'seq-mean-token-sum' | 'seq-mean-token-mean' | 'seq-mean-token-sum-norm';

export interface LossWeightsOptions {
  aggregation?: LossAggregation;
  /** constant divisor of `seq-mean-token-sum-norm`, for example the token budget of a trajectory */
  normalizer?: number;
}

export interface LossWeights {
  /** weight of each sampled token of row i */
  perToken: number[];
  /** no row has a sampled token: all weights are 0 and the step should be skipped */
  empty: boolean;
}

/**
 * The weight of a sampled token of each row, so that the loss is Σ weight · token loss. With B rows, n_i sampled tokens
 * in row i and N = Σ n_i, all counted over the whole optimizer step, whatever the micro-batches:
 *
 *     token-mean               1 / N             https://arxiv.org/abs/2503.14476 eq. 12
 *     seq-mean-token-sum       1 / B
 *     seq-mean-token-mean      1 / (B · n_i)     https://arxiv.org/abs/2402.03300 eq. 3
 *     seq-mean-token-sum-norm  1 / (B · C)       https://arxiv.org/abs/2503.20783, C = `normalizer`
 *
 * A row without sampled tokens still counts in B.
 *
 * @param sampledCounts n_i: predicted tokens of row i that the policy sampled
 * @throws if `seq-mean-token-sum-norm` comes without a positive `normalizer`
 */
export function lossWeights(sampledCounts: readonly number[], options: LossWeightsOptions = {}): LossWeights {
  const { aggregation = 'token-mean', normalizer } = options;
  const rows = sampledCounts.length;
  const total = sampledCounts.reduce((sum, count) => sum + count, 0);
  const weigh = (count: number): number => {
    if (count === 0) return 0;
    switch (aggregation) {
      case 'token-mean':
        return 1 / total;
      case 'seq-mean-token-sum':
        return 1 / rows;
      case 'seq-mean-token-mean':
        return 1 / (rows * count);
      case 'seq-mean-token-sum-norm':
        if (!(normalizer !== undefined && normalizer > 0)) {
          throw new Error(`Aggregation seq-mean-token-sum-norm needs normalizer > 0, got ${normalizer}.`);
        }
        return 1 / (rows * normalizer);
    }
  };
  return { perToken: sampledCounts.map(weigh), empty: total === 0 };
}
