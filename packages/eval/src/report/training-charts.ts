import { lineChart } from './line-chart.js';
import type { Series } from './line-chart.js';
import { words } from './numbers.js';
import type { NumberFormat } from './numbers.js';

/** One line of `metrics.jsonl`: numbers, or numbers by name, of one step. Anything else is left alone. */
export interface MetricsRow {
  step: number;
  [key: string]: unknown;
}

/** what is always worth a look, in this order; the rest folds away */
const MAIN: Readonly<Record<string, { title: string; format?: NumberFormat }>> = {
  accuracy: { title: 'accuracy of sampled rollouts', format: 'percent' },
  reward: { title: 'reward' },
  accuracyBySource: { title: 'accuracy by source', format: 'percent' },
  callsBySource: { title: 'tool calls per problem, by source' },
  callsPerProblem: { title: 'tool calls per problem' },
  formatRate: { title: 'right format', format: 'percent' },
  watch: { title: 'signs of reward hacking per rollout' },
  sampledTokens: { title: 'sampled tokens per rollout' },
  entropy: { title: 'entropy (nats)' },
  loss: { title: 'loss' },
  gradientNorm: { title: 'gradient norm' },
  clipFraction: { title: 'clipped tokens', format: 'percent' },
  approxKl: { title: 'approximate KL of the update' },
};

const SHARES = /fraction|rate|accuracy|reasons|status/i;

/** Charts of every numeric key of the rows. Empty without rows. */
export function trainingCharts(rows: readonly MetricsRow[]): { main: string; more: string } {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((key) => key !== 'step');
  const chart = (key: string): string => {
    const { title, format } = MAIN[key] ?? { title: words(key), format: SHARES.test(key) ? 'percent' : 'plain' };
    return lineChart(seriesOf(rows, key), { title, ...(format && { format }) });
  };
  const others = keys.filter((key) => !Object.hasOwn(MAIN, key)).toSorted();
  return {
    main: Object.keys(MAIN)
      .filter((key) => keys.includes(key))
      .map(chart)
      .join('\n'),
    more: others.map(chart).join('\n'),
  };
}

function seriesOf(rows: readonly MetricsRow[], key: string): Series[] {
  const series = new Map<string, { x: number; y: number }[]>();
  const add = (name: string, x: number, y: unknown): void => {
    if (typeof y !== 'number') return;
    const points = series.get(name);
    if (points) points.push({ x, y });
    else series.set(name, [{ x, y }]);
  };
  for (const row of rows) {
    const value = row[key];
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [name, y] of Object.entries(value)) add(name, row.step, y);
    } else add('', row.step, value);
  }
  return Array.from(series, ([name, points]) => ({ name, points })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
