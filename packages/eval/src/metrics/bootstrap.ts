/** A mean with its bootstrap interval. */
export interface Estimate {
  value: number;
  low: number;
  high: number;
}

export interface BootstrapOptions {
  resamples?: number;
  /** share of resamples inside the interval */
  level?: number;
  seed?: number;
}

/**
 * Mean of `values` (one per problem: rollouts of one problem are not independent) with a percentile bootstrap interval.
 * The same values and seed give the same interval. No values: NaN.
 *
 * Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13.
 */
export function bootstrapMean(values: readonly number[], options: BootstrapOptions = {}): Estimate {
  const { resamples = 1000, level = 0.95, seed = 0 } = options;
  const n = values.length;
  const value = values.reduce((sum, x) => sum + x, 0) / n;
  if (n === 0) return { value, low: value, high: value };
  const uint32 = splitmix32(seed);
  const means = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[Math.floor((uint32() / 2 ** 32) * n)] as number;
    return sum / n;
  }).toSorted();
  const quantile = (q: number): number =>
    means[Math.min(resamples - 1, Math.max(0, Math.round(q * (resamples - 1))))] as number;
  return { value, low: quantile((1 - level) / 2), high: quantile((1 + level) / 2) };
}

function splitmix32(seed: number): () => number {
  let counter = seed | 0;
  return () => {
    counter = (counter + 0x9e3779b9) | 0;
    let hash = Math.imul(counter ^ (counter >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  };
}
