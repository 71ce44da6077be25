export interface CallEfficiencyOptions {
  /** whether each rollout's answer is right */
  correct: readonly boolean[];
  /** tool calls of each rollout */
  calls: readonly number[];
  /** share of its advantage that the right rollout with the most calls loses; in [0, 1) */
  strength: number;
}

/**
 * Prefers fewer calls among the right rollouts of one group: the advantage of a right rollout with c calls becomes
 *
 *     A · (1 − strength · (c − c_min) / (c_max − c_min)),   c_min and c_max over the right rollouts
 *
 * Only positive advantages shrink, and none reaches zero, so no sign ever changes: a right answer is never worse than
 * before relative to a wrong one, and where all right rollouts need their calls nothing happens. Off in the paper; in the
 * spirit of AdaTIR, https://arxiv.org/abs/2601.14696.
 */
export function callEfficiency(
  advantages: readonly number[],
  { correct, calls, strength }: CallEfficiencyOptions,
): number[] {
  if (!(strength >= 0 && strength < 1)) throw new RangeError(`strength is ${strength}, wanted 0 ≤ strength < 1.`);
  if (correct.length !== advantages.length || calls.length !== advantages.length) {
    throw new RangeError(
      `callEfficiency wants arrays of one length, got ${advantages.length} advantages, ${correct.length} correct, ${calls.length} calls.`,
    );
  }
  const right = calls.filter((_, i) => correct[i]);
  const fewest = Math.min(...right);
  const range = Math.max(...right) - fewest;
  return advantages.map((advantage, i) =>
    correct[i] && advantage > 0 && range > 0
      ? advantage * (1 - (strength * ((calls[i] as number) - fewest)) / range)
      : advantage,
  );
}
