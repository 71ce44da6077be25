import { stripVTControlCharacters } from 'node:util';
import { colors } from './cli/colors.js';
import type { StepMetrics } from './step-metrics.js';
import { printable } from './view/visible-text.js';

/** What the live view shows. */
export interface PanelState {
  title: string;
  step: number;
  steps: number;
  /** rollouts of the step under way */
  rollouts: number;
  rolloutsPerStep: number;
  /** what goes on beside training, for example a measurement */
  status: string | undefined;
  /** every step so far, oldest first */
  history: readonly StepMetrics[];
  secondsLeft: number | undefined;
}

interface Row {
  label: string;
  key: string;
  show: (value: number) => string;
}

const percent = (value: number) => `${(100 * value).toFixed(0)}%`;

/** What is worth a line, in this order; metrics a run does not have are left out. */
const rows: readonly Row[] = [
  { label: 'reward', key: 'reward', show: (value) => value.toFixed(2) },
  { label: 'accuracy', key: 'accuracy', show: percent },
  { label: 'format', key: 'formatRate', show: percent },
  { label: 'calls', key: 'callsPerProblem', show: (value) => value.toFixed(2) },
  { label: 'loss', key: 'loss', show: (value) => value.toFixed(3) },
  { label: 'entropy', key: 'entropy', show: (value) => value.toFixed(3) },
  { label: 'gradient', key: 'gradientNorm', show: (value) => value.toFixed(2) },
  { label: 'tokens/s', key: 'sampledTokensPerSecond', show: thousands },
  { label: 'tokens/s', key: 'trainedTokensPerSecond', show: thousands },
];
const supervised = ['loss', 'gradientNorm', 'trainedTokensPerSecond'];
const barWidth = 30;
const curveWidth = 30;

/** The live view as lines that fit the terminal: progress, a few numbers with their course, what happens now. */
export function renderPanel(state: PanelState, columns: number): string[] {
  const { title, step, steps, history, secondsLeft } = state;
  const share = Math.min(
    1,
    (step + (0.8 * Math.min(state.rollouts, state.rolloutsPerStep)) / state.rolloutsPerStep) / steps,
  );
  const filled = Math.round(share * barWidth);
  const head = [
    colors.bold(printable(title)),
    colors.cyan('━'.repeat(filled)) + colors.dim('─'.repeat(barWidth - filled)),
    `${step}/${steps}`,
    ...(secondsLeft === undefined || step >= steps ? [] : [colors.dim(`${duration(secondsLeft)} left`)]),
  ];
  const last = history.at(-1);
  const isSupervised = last !== undefined && last['reward'] === undefined;
  const shown = rows.filter(({ key }) => typeof last?.[key] === 'number' && supervised.includes(key) === isSupervised);
  const lines = shown.map(({ label, key, show }) => {
    const values = history.map((metrics) => metrics[key]).filter((value) => typeof value === 'number');
    const [first, now] = [show(values[0] as number), show(values.at(-1) as number)];
    return fitting(
      [
        colors.dim(label.padEnd(9)) + colors.bold(now.padStart(6)),
        colors.cyan(courseOf(values, curveWidth)),
        first === now ? '' : colors.dim(`from ${first}`),
      ],
      columns,
    );
  });
  const now = nowText(state);
  return [fitting(head, columns), ...lines, ...(now === '' ? [] : [fitting([colors.dim(printable(now))], columns)])];
}

function nowText({ status, step, steps, rollouts, rolloutsPerStep }: PanelState): string {
  if (status !== undefined) return status;
  if (step >= steps || rollouts === 0) return '';
  return `step ${step + 1}: ${rollouts} rollouts${rollouts >= rolloutsPerStep ? ', update' : ''}`;
}

/** Values over time in one line of text; stretches are averaged where there are more values than characters. */
export function courseOf(values: readonly number[], width: number): string {
  const known = values.filter(Number.isFinite);
  const count = Math.min(width, known.length);
  const points = Array.from({ length: count }, (_, i) => {
    const part = known.slice(Math.floor((i * known.length) / count), Math.floor(((i + 1) * known.length) / count));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const [low, high] = [Math.min(...points), Math.max(...points)];
  return points.map((value) => '▁▂▃▄▅▆▇█'[Math.round((7 * (value - low)) / (high - low || 1))]).join('');
}

/** As many parts as one line holds: a wrapped line could not be cleared. */
function fitting(parts: readonly string[], columns: number): string {
  const line = parts.filter((part) => part !== '').join('  ');
  if (parts.length === 0 || visibleWidth(line) < columns) return line;
  return fitting(parts.slice(0, -1), columns);
}

export function visibleWidth(line: string): number {
  return stripVTControlCharacters(line).length;
}

function thousands(value: number): string {
  return `${(value / 1000).toFixed(1)}K`;
}

/** `40 s`, `12 min`, `1 h 05 min` */
function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
