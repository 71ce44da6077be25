import { normalizeAnswer } from '../scoring/answer-scorers.js';

/** Mean over a problem's rollouts (mean@k, where k is their number). */
export function meanAtK(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Expected best of k rollouts drawn without replacement from a problem's n: with values in ascending order,
 * Σ_i value_i · C(i − 1, k − 1) / C(n, k). For values of 0 and 1 it is pass@k.
 *
 * @throws unless 1 ≤ k ≤ n
 */
export function bestAtK(values: readonly number[], k: number): number {
  const n = values.length;
  checkK(k, n);
  const descending = values.toSorted((a, b) => b - a);
  let best = 0;
  let chance = k / n; // that the largest is drawn; then, that the next is the largest drawn, and so on
  for (let i = 0; i <= n - k; i++) {
    best += (descending[i] as number) * chance;
    chance *= (n - i - k) / (n - i - 1);
  }
  return best;
}

/**
 * Value of the answer that most of the first k rollouts gave (normalised; the earlier one where two are level). Rollouts
 * without an answer have no vote; 0 if nobody votes.
 *
 * @throws unless 1 ≤ k ≤ n
 */
export function majAtK(votes: readonly { answer: string | null; value: number }[], k: number): number {
  checkK(k, votes.length);
  const ballots = new Map<string, { count: number; value: number }>();
  for (const { answer, value } of votes.slice(0, k)) {
    if (answer === null) continue;
    const ballot = ballots.get(normalizeAnswer(answer)) ?? { count: 0, value };
    ballot.count += 1;
    ballots.set(normalizeAnswer(answer), ballot);
  }
  let winner = { count: 0, value: 0 };
  for (const ballot of ballots.values()) if (ballot.count > winner.count) winner = ballot;
  return winner.value;
}

/**
 * Unbiased chance that at least one of k rollouts is right, from n of which c are: 1 − C(n − c, k) / C(n, k), as a product.
 * Source: Chen et al. 2021, https://arxiv.org/abs/2107.03374 eq. 1.
 *
 * @throws unless 1 ≤ k ≤ n and 0 ≤ c ≤ n
 */
export function passAtK(n: number, correct: number, k: number): number {
  checkK(k, n);
  if (!(correct >= 0 && correct <= n)) throw new RangeError(`pass@k wants 0 ≤ correct ≤ n, got ${correct} of ${n}.`);
  if (n - correct < k) return 1;
  let noneRight = 1;
  for (let i = n - correct + 1; i <= n; i++) noneRight *= 1 - k / i;
  return 1 - noneRight;
}

function checkK(k: number, n: number): void {
  if (!(Number.isInteger(k) && k >= 1 && k <= n))
    throw new RangeError(`@k wants an integer k from 1 to n = ${n}, got ${k}.`);
}
