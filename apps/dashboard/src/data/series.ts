import type { MetricsLine } from '@tapo/trainer/view';

/** A metric in a line: `reward`, or a part of a nested one, `seconds.sample`. null where there is none. */
export function metricAt(line: MetricsLine, key: string): number | null {
  const own = line[key];
  if (typeof own === 'number') return own;
  const dot = key.indexOf('.');
  if (dot < 0) return null;
  const parent = line[key.slice(0, dot)];
  const value = typeof parent === 'object' && parent !== null ? parent[key.slice(dot + 1)] : undefined;
  return typeof value === 'number' ? value : null;
}

/** All metrics that occur, nested ones as `parent.part`, in the order of appearance. */
export function metricKeys(lines: readonly MetricsLine[]): string[] {
  const keys = new Set<string>();
  for (const line of lines) {
    for (const [key, value] of Object.entries(line)) {
      if (key === 'step') continue;
      if (typeof value === 'object' && value !== null)
        for (const part of Object.keys(value)) keys.add(`${key}.${part}`);
      else keys.add(key);
    }
  }
  return [...keys];
}

/** Exponential moving average without the start's bias. `weight` of the past in [0, 1); gaps stay gaps. */
export function smoothed(values: readonly (number | null)[], weight: number): (number | null)[] {
  if (weight <= 0) return [...values];
  let mean = 0;
  let mass = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return mean / mass;
  });
}

/** Fills gaps between known values with the last one; what is before the first and after the last stays empty. */
export function carried(values: readonly (number | null)[]): (number | null)[] {
  const end = values.findLastIndex((value) => value !== null);
  let last: number | null = null;
  return values.map((value, i) => (last = i > end ? null : (value ?? last)));
}

/** Mean of several runs at a step, with the interval of Student's t at 95% when there are two or more. */
export interface Band {
  mean: number | null;
  low: number | null;
  high: number | null;
}

/** two-sided 95% quantiles of Student's t by degrees of freedom, from 1 */
const quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

export function bandOf(values: readonly (number | null)[]): Band {
  const known = values.filter((value): value is number => value !== null);
  const n = known.length;
  if (n === 0) return { mean: null, low: null, high: null };
  const mean = known.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { mean, low: null, high: null };
  const variance = known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = (quantiles[n - 2] ?? 1.96) * Math.sqrt(variance / n);
  return { mean, low: mean - half, high: mean + half };
}
