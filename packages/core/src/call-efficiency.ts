export interface CallEfficiencyOptions {
  /** whether each rollout's answer is right */
  correct: readonly boolean[];
  /** tool calls of each rollout */
  calls: readonly number[];
  /** what the right rollout with the fewest calls gains, in units of the advantage; ≥ 0 */
  strength: number;
}

/**
 * Prefers fewer calls among the right rollouts of one group. With c_min and c_max over the right rollouts, the advantage
 * of a right rollout with c calls becomes
 *
 *     A + strength · (c_max − c) / (c_max − c_min)
 *
 * Nothing is taken away and only right rollouts gain, so no right rollout's advantage ever turns negative; where all
 * right rollouts make the same number of calls nothing happens. A group in which all are right teaches nothing else than
 * this (all its A are 0). Off in the paper; in the spirit of AdaTIR, https://arxiv.org/abs/2601.14696.
 */
export function callEfficiency(
  advantages: readonly number[],
  { correct, calls, strength }: CallEfficiencyOptions,
): number[] {
  if (!(strength >= 0)) throw new RangeError(`strength is ${strength}, wanted a number ≥ 0.`);
  if (correct.length !== advantages.length || calls.length !== advantages.length) {
    throw new RangeError(
      `callEfficiency wants arrays of one length, got ${advantages.length} advantages, ${correct.length} correct, ${calls.length} calls.`,
    );
  }
  const right = calls.filter((_, i) => correct[i]);
  const most = Math.max(...right);
  const range = most - Math.min(...right);
  return advantages.map((advantage, i) =>
    correct[i] && advantage >= 0 && range > 0
      ? advantage + (strength * (most - (calls[i] as number))) / range
      : advantage,
  );
}
