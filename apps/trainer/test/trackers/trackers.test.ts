import { expect, it } from 'vitest';
import { openTrackers } from '../../src/trackers/open-trackers.js';
import { flatScalars, softTrackers } from '../../src/trackers/tracker.js';
import type { Tracker } from '../../src/trackers/tracker.js';

const metrics = (step: number) => ({ step, reward: step / 4, callsByTool: { search: 2 } });

function recorder(log: Tracker['log'] = () => {}) {
  const logged: unknown[] = [];
  const tracker: Tracker = {
    name: 'recorder',
    async log(step, scalars) {
      await log(step, scalars);
      logged.push([step, scalars]);
    },
    close: () => void logged.push('closed'),
  };
  return { tracker, logged };
}

it('nested metrics become scalars with a path', () => {
  expect(flatScalars(metrics(1))).toEqual({ reward: 0.25, 'callsByTool/search': 2 });
});

it('every step arrives, in order, though the trainer does not wait', async () => {
  const { tracker, logged } = recorder((step) => new Promise((resolve) => setTimeout(resolve, step === 1 ? 20 : 0)));
  const trackers = softTrackers([tracker]);
  trackers.log(1, metrics(1));
  trackers.log(2, metrics(2));
  expect(logged).toEqual([]);
  await trackers.close();
  expect(logged).toEqual([[1, flatScalars(metrics(1))], [2, flatScalars(metrics(2))], 'closed']);
});

it('one that fails is reported once and left out; the others go on', async () => {
  const { tracker, logged } = recorder();
  const broken = recorder(() => Promise.reject(new Error('no route to host')));
  const warnings: string[] = [];
  const trackers = softTrackers([{ ...broken.tracker, name: 'broken' }, tracker], {
    warn: (text) => warnings.push(text),
  });
  for (const step of [1, 2, 3]) trackers.log(step, metrics(step));
  await trackers.close();
  expect(warnings).toEqual(['broken: no route to host; the run goes on without it (metrics.jsonl has everything)']);
  expect(logged).toHaveLength(4);
});

it('one that never answers ends neither the run nor the memory', async () => {
  const { tracker } = recorder(() => new Promise(() => {}));
  const warnings: string[] = [];
  const trackers = softTrackers([tracker], { warn: (text) => warnings.push(text), closeTimeoutMs: 10, maxWaiting: 3 });
  for (const step of [1, 2, 3, 4, 5]) trackers.log(step, metrics(step));
  await trackers.close();
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain('3 steps behind');
});

it('a tracker that cannot be opened is a warning, an unknown name a usage error', async () => {
  const run = { path: '/dev/null', name: 'run', config: {} };
  const warnings: string[] = [];
  const trackers = await openTrackers(['tensorboard'], run, { warn: (text) => warnings.push(text) });
  trackers.log(1, metrics(1));
  await trackers.close();
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/^tensorboard: .*; the run goes on without it$/);
  await expect(openTrackers(['tensorbord'], run)).rejects.toThrow('did you mean tensorboard?');
});
