import { expect, it } from 'vitest';
import { createProgress } from '../src/progress.js';
import type { ProgressOptions } from '../src/progress.js';
import { courseOf } from '../src/progress-panel.js';
import { hostileTexts } from './view/hostile.js';
import { fakeTerminal } from './terminal.js';

const metrics = (step: number) => ({
  step,
  reward: step / 10,
  accuracy: 0.75,
  callsPerProblem: 1.25,
  sampledTokensPerSecond: 21_000,
});

/** Progress on a terminal, with a clock that moves a second with every rollout. */
function progressOn(terminal: ReturnType<typeof fakeTerminal>, options: Partial<ProgressOptions> = {}) {
  let clock = 0;
  const { stream } = terminal;
  const progress = createProgress({
    title: 'first',
    steps: 10,
    rolloutsPerStep: 8,
    stream,
    errors: stream,
    env: {},
    now: () => clock,
    ...options,
  });
  const rollouts = (count: number) => {
    for (let i = 0; i < count; i++) {
      progress.rollout();
      clock += 1000;
    }
  };
  const steps = (from: number, to: number) => {
    for (let step = from; step <= to; step++) {
      rollouts(8);
      progress.step(metrics(step));
    }
  };
  return { ...progress, rollouts, steps };
}

it('a pipe gets one plain line per step, no escape code', () => {
  const terminal = fakeTerminal({ isTTY: false });
  const progress = progressOn(terminal);
  progress.status('not for pipes');
  progress.steps(5, 5);
  progress.close();
  expect(terminal.written).toEqual(['step  5/10  reward  0.50  accuracy  75%  calls 1.25  21.0K tokens/s\n']);
});

it('a cold start: the first step, the last, and those in between that are worth a line', () => {
  const terminal = fakeTerminal({ isTTY: false });
  const progress = progressOn(terminal, { plainEveryMs: 4000 });
  for (let step = 1; step <= 10; step++) {
    progress.step({ step, loss: 1 / step, gradientNorm: 0.5, learningRate: 1e-3, trainedTokensPerSecond: 1234 });
    progress.rollouts(1);
  }
  // a second for each step: 4 s after the first is the fifth
  expect(terminal.written).toEqual([
    'step  1/10  loss 1.000  gradient 0.50  rate 1.0e-3  1234 tokens/s\n',
    'step  5/10  loss 0.200  gradient 0.50  rate 1.0e-3  1234 tokens/s\n',
    'step  9/10  loss 0.111  gradient 0.50  rate 1.0e-3  1234 tokens/s\n',
    'step 10/10  loss 0.100  gradient 0.50  rate 1.0e-3  1234 tokens/s\n',
  ]);
});

it.each([{ CI: 'true' }, { TERM: 'dumb' }])('plain lines on a terminal, too, with %j', (env) => {
  const terminal = fakeTerminal();
  progressOn(terminal, { env }).steps(1, 1);
  expect(terminal.written).toEqual(['step  1/10  reward  0.10  accuracy  75%  calls 1.25  21.0K tokens/s\n']);
});

it('machines get one JSON object per step, on a terminal, too', () => {
  const terminal = fakeTerminal();
  progressOn(terminal, { json: true }).step(metrics(1));
  expect(terminal.written.map((line) => JSON.parse(line) as unknown)).toEqual([metrics(1)]);
});

const panel = [
  'first  ━━━━━━━━━━━━━━━━──────────────  5/10  40 s left',
  'reward     0.50  ▁▃▄▆█  from 0.10',
  'accuracy    75%  ▁▁▁▁▁',
  'calls      1.25  ▁▁▁▁▁',
  'tokens/s  21.0K  ▁▁▁▁▁',
  'step 6: 4 rollouts',
];

it('the live view: one, redrawn in its place, with notes above it', async () => {
  const terminal = fakeTerminal();
  const progress = progressOn(terminal);
  progress.status('held-out problems before training: 3 of 256');
  progress.status(undefined);
  progress.steps(1, 3);
  progress.note('a tracker is gone');
  progress.steps(4, 5);
  progress.rollouts(4);
  // 5 of 10 steps, and 0.8 · 3 / 8 of the next when it was last drawn, of 30 characters: 16; 8 s a step
  expect(await terminal.screen()).toEqual(['note a tracker is gone', ...panel]);
  progress.close();
  progress.close();
  terminal.stream.write('done\n');
  expect((await terminal.screen()).slice(2)).toEqual([...panel.slice(1, -1), 'done']);
});

it('a terminal that becomes narrower: nothing wraps, nothing is left over', async () => {
  const terminal = fakeTerminal({ columns: 70 });
  const progress = progressOn(terminal);
  progress.steps(1, 5);
  await terminal.resize(40);
  progress.rollouts(4);
  expect(await terminal.screen()).toEqual([
    'first  ━━━━━━━━━━━━━━━━──────────────',
    'reward     0.50  ▁▃▄▆█  from 0.10',
    ...panel.slice(2),
  ]);
});

it('no higher than the terminal', async () => {
  const terminal = fakeTerminal({ rows: 4 });
  progressOn(terminal).steps(1, 5);
  expect(await terminal.screen()).toHaveLength(3);
});

it('names, statuses and notes are text, whatever is in them', async () => {
  for (const text of Object.values(hostileTexts)) {
    const terminal = fakeTerminal({ columns: 200 });
    const progress = progressOn(terminal, { title: text });
    progress.status(text);
    progress.note(text);
    progress.steps(1, 1);
    const screen = (await terminal.screen()).join('\n');
    expect(terminal.title).toBe('');
    expect(screen).not.toMatch(/(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}]/u);
    expect(screen).toContain('reward     0.10');
  }
});

it('a course is scaled from its least to its greatest value, and averaged to its width', () => {
  expect(courseOf([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe('▁▂▃▄▅▆▇█');
  // (0 + 2) / 2, (4 + 6) / 2
  expect(courseOf([0, 2, 4, 6], 2)).toBe('▁█');
  expect(courseOf([3, NaN, 3], 5)).toBe('▁▁');
  expect(courseOf([], 5)).toBe('');
});
