import { stripVTControlCharacters } from 'node:util';
import colors from 'picocolors';
import type { StepMetrics } from './step-metrics.js';

/** Progress of a run on the terminal: a line per step, and on a TTY one that moves while the step is sampled. */
export interface Progress {
  /** a rollout has ended */
  rollout(): void;
  step(metrics: StepMetrics): void;
  /** a message that must not be lost in the moving line */
  note(message: string): void;
  close(): void;
}

export interface ProgressOptions {
  steps: number;
  rolloutsPerStep: number;
  stream?: NodeJS.WriteStream;
  /** one JSON object per step instead of text */
  json?: boolean;
}

const barWidth = 12;

/** `NO_COLOR` and pipes are respected: without a TTY there are plain lines only. */
export function createProgress({
  steps,
  rolloutsPerStep,
  stream = process.stdout,
  json = false,
}: ProgressOptions): Progress {
  const live = stream.isTTY === true && !json && process.env['CI'] === undefined;
  let step = 0;
  let rollouts = 0;
  let last: StepMetrics | undefined;

  const clear = () => live && stream.write('\r\u001b[2K');
  function draw(): void {
    if (!live) return;
    const share = (step + Math.min(1, rollouts / rolloutsPerStep) * 0.8) / steps;
    const filled = Math.min(barWidth, Math.round(share * barWidth));
    const bar = colors.cyan('━'.repeat(filled)) + colors.dim('━'.repeat(barWidth - filled));
    const parts = [bar, `${step}/${steps}`, last ? describeMetrics(last) : '', colors.dim(`${rollouts} rollouts`)];
    clear();
    stream.write(fitting(parts, stream.columns ?? 80));
  }

  return {
    rollout() {
      rollouts++;
      if (rollouts % 4 === 0) draw();
    },
    step(metrics) {
      step = metrics.step;
      rollouts = 0;
      last = metrics;
      clear();
      const width = String(steps).length;
      const line = `step ${String(metrics.step).padStart(width)}/${steps}  ${describeMetrics(metrics)}`;
      stream.write(`${json ? JSON.stringify(metrics) : line}\n`);
      draw();
    },
    note(message) {
      clear();
      process.stderr.write(`${colors.yellow('note')} ${message}\n`);
      draw();
    },
    close: () => void clear(),
  };
}

/** As many parts as one line holds: a wrapped line could not be cleared. */
function fitting(parts: readonly string[], columns: number): string {
  const line = parts.join('  ');
  if (parts.length === 0 || stripVTControlCharacters(line).length < columns) return line;
  return fitting(parts.slice(0, -1), columns);
}

function describeMetrics(metrics: StepMetrics): string {
  const number = (key: string) => (typeof metrics[key] === 'number' ? metrics[key] : NaN);
  const parts = [
    `reward ${number('reward').toFixed(2).padStart(5)}`,
    `accuracy ${(100 * number('accuracy')).toFixed(0).padStart(3)}%`,
    `calls ${number('callsPerProblem').toFixed(2)}`,
    `${(number('sampledTokensPerSecond') / 1000).toFixed(1)}K tokens/s`,
  ];
  return parts.join('  ');
}
