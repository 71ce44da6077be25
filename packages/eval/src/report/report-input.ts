import type { Summary } from '../metrics/summarize.js';
import type { MetricsRow } from './training-charts.js';
import type { ReportTrajectory } from './trajectory-view.js';

/** What a report is made of. Everything is optional; what is missing is left out. */
export interface ReportInput {
  title?: string;
  /** headline facts in order, for example `{seed: 1, steps: 40, seconds: 91, model: 'd96 L3'}` */
  summary?: Readonly<Record<string, string | number>>;
  /** rows of `metrics.jsonl` */
  metrics?: readonly MetricsRow[];
  before?: Summary;
  after?: Summary;
  /** rollouts to read; the first two are unfolded */
  trajectories?: readonly ReportTrajectory[];
  config?: unknown;
}
