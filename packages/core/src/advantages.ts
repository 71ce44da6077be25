/** How a group's rewards become advantages. */
export type AdvantageEstimator = 'grpo' | 'rloo' | 'dr-grpo';

export interface GroupAdvantagesOptions {
  estimator?: AdvantageEstimator;
  /** added to the standard deviation (grpo only) */
  epsilon?: number;
}

/**
 * One advantage per rollout of one group, for G rewards R:
 *
 *     grpo     (R_i − mean) / (std + epsilon), std with G − 1     https://arxiv.org/abs/2402.03300 §4.1.2
 *     rloo     R_i − mean of the other G − 1                      https://arxiv.org/abs/2402.14740 §2.3
 *     dr-grpo  R_i − mean                                         https://arxiv.org/abs/2503.20783 §3.2
 *
 * A group of one has nothing to compare with: mean 0 and standard deviation 1 are used, as the reference does.
 *
 * @throws if a reward is not a finite number
 */
export function groupAdvantages(
  rewards: readonly number[],
  { estimator = 'grpo', epsilon = 1e-6 }: GroupAdvantagesOptions = {},
): number[] {
  const bad = rewards.findIndex((reward) => !Number.isFinite(reward));
  if (bad >= 0) throw new Error(`groupAdvantages wants finite rewards; reward ${bad} of the group is ${rewards[bad]}.`);

  const size = rewards.length;
  const mean = size > 1 ? rewards.reduce((sum, reward) => sum + reward, 0) / size : 0;
  const centred = rewards.map((reward) => reward - mean);
  switch (estimator) {
    case 'grpo': {
      const squares = centred.reduce((sum, value) => sum + value * value, 0);
      const std = size > 1 ? Math.sqrt(squares / (size - 1)) : 1;
      return centred.map((value) => value / (std + epsilon));
    }
    case 'rloo': // R_i − (G·mean − R_i) / (G − 1) = (R_i − mean) · G / (G − 1)
      return size > 1 ? centred.map((value) => (value * size) / (size - 1)) : centred;
    case 'dr-grpo':
      return centred;
  }
}
