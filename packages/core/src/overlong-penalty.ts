export interface OverlongPenaltyOptions {
  /** token budget of a trajectory */
  maxLength: number;
  /** tokens before `maxLength` where the penalty grows from 0 to `factor` */
  buffer?: number;
  factor?: number;
}

/**
 * Soft penalty on length, to be added to the reward: min(0, −(length − (maxLength − buffer)) / buffer · factor).
 * Source: DAPO, https://arxiv.org/abs/2503.14476 eq. 13.
 *
 * @param length sampled tokens only (`sampledLength`): the policy is not blamed for what tools wrote
 * @throws unless 0 < buffer ≤ maxLength
 */
export function overlongPenalty(length: number, options: OverlongPenaltyOptions): number {
  const { maxLength, buffer = 1024, factor = 1 } = options;
  if (!(buffer > 0 && buffer <= maxLength)) {
    throw new Error(`overlongPenalty wants 0 < buffer ≤ maxLength, got buffer ${buffer} and maxLength ${maxLength}.`);
  }
  const excess = length - (maxLength - buffer);
  return excess > 0 ? (-excess / buffer) * factor : 0;
}
