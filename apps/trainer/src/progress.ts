import { colors } from './cli/colors.js';
import { renderPanel, visibleWidth } from './progress-panel.js';
import type { PanelState } from './progress-panel.js';
import type { StepMetrics } from './step-metrics.js';
import { printable, printableJson } from './view/visible-text.js';

/** Progress of a run on the terminal: a live view on a TTY, else a line per step. */
export interface Progress {
  /** a rollout has ended */
  rollout(): void;
  step(metrics: StepMetrics): void;
  /** what goes on beside training, in the live view only; undefined: nothing */
  status(text: string | undefined): void;
  /** a message that must not be lost in the live view; goes to stderr */
  note(message: string): void;
  /** leaves the live view as it is */
  close(): void;
}

export interface ProgressOptions {
  title: string;
  steps: number;
  rolloutsPerStep: number;
  stream?: NodeJS.WriteStream;
  /** for notes */
  errors?: NodeJS.WritableStream;
  /** one JSON object per step instead of text */
  json?: boolean;
  /** a plain line is written for the first and the last step, and for others after so long a time */
  plainEveryMs?: number;
  env?: NodeJS.ProcessEnv;
  /** milliseconds */
  now?: () => number;
}

const redrawMs = 100;

/** Pipes, `CI` and `TERM=dumb` get plain lines; machines one JSON object per step. */
export function createProgress(options: ProgressOptions): Progress {
  const { title, steps, rolloutsPerStep, json = false, plainEveryMs = 0 } = options;
  const {
    stream = process.stdout,
    errors = process.stderr,
    env = process.env,
    now = () => performance.now(),
  } = options;
  const live = stream.isTTY === true && !json && env['CI'] === undefined && env['TERM'] !== 'dumb';
  const history: StepMetrics[] = [];
  const state: PanelState = {
    title,
    step: 0,
    steps,
    rollouts: 0,
    rolloutsPerStep,
    status: undefined,
    history,
    secondsLeft: undefined,
  };
  let drawn: readonly string[] = [];
  let drawnAt = -Infinity;
  let toldAt = -Infinity;
  let started: number | undefined;
  let closed = false;

  /** Takes the view away, also when the terminal has become narrower and wrapped its lines. */
  function erase(): string {
    const { columns = 80 } = stream;
    const height = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(visibleWidth(line) / columns)), 0);
    drawn = [];
    return height === 0 ? '' : `\r${height > 1 ? `\u001b[${height - 1}A` : ''}\u001b[J`;
  }

  function draw(before = ''): void {
    if (!live || closed) return;
    const { columns = 80, rows = 24 } = stream;
    const gone = erase();
    drawn = renderPanel(state, columns).slice(0, Math.max(1, rows - 1));
    drawnAt = now();
    // between these two marks a terminal that knows them shows nothing half done
    stream.write(`\u001b[?2026h${gone}${before}${drawn.join('\n')}\u001b[?2026l`);
  }

  return {
    rollout() {
      started ??= now();
      state.rollouts++;
      if (now() - drawnAt >= redrawMs) draw();
    },
    step(metrics) {
      const done = history.push(metrics);
      state.step = metrics.step;
      state.rollouts = 0;
      const mean = started === undefined ? undefined : (now() - started) / 1000 / done;
      state.secondsLeft = mean === undefined ? undefined : mean * (steps - metrics.step);
      if (json) stream.write(`${printableJson(metrics)}\n`);
      else if (live) draw();
      else if (metrics.step === 1 || metrics.step === steps || now() - toldAt >= plainEveryMs) {
        toldAt = now();
        stream.write(`step ${String(metrics.step).padStart(String(steps).length)}/${steps}  ${plainText(metrics)}\n`);
      }
    },
    status(text) {
      state.status = text;
      if (text === undefined || now() - drawnAt >= redrawMs) draw();
    },
    note(message) {
      if (live) stream.write(erase());
      errors.write(`${colors.yellow('note')} ${printable(message)}\n`);
      draw();
    },
    close() {
      if (closed) return;
      state.status = undefined;
      state.rollouts = 0;
      if (drawn.length > 0) {
        draw();
        stream.write('\n');
      }
      closed = true;
    },
  };
}

/** The numbers that matter, as far as the run has them. */
function plainText(metrics: StepMetrics): string {
  const part = (key: string, show: (value: number) => string) =>
    typeof metrics[key] === 'number' ? [show(metrics[key])] : [];
  return [
    ...part('reward', (value) => `reward ${value.toFixed(2).padStart(5)}`),
    ...part('accuracy', (value) => `accuracy ${(100 * value).toFixed(0).padStart(3)}%`),
    ...part('callsPerProblem', (value) => `calls ${value.toFixed(2)}`),
    ...(metrics['reward'] === undefined
      ? [
          ...part('loss', (value) => `loss ${value.toFixed(3)}`),
          ...part('gradientNorm', (value) => `gradient ${value.toFixed(2)}`),
          ...part('learningRate', (value) => `rate ${value.toExponential(1)}`),
          ...part('trainedTokensPerSecond', (value) => `${value.toFixed(0)} tokens/s`),
        ]
      : part('sampledTokensPerSecond', (value) => `${(value / 1000).toFixed(1)}K tokens/s`)),
  ].join('  ');
}
