import { createProblemStream } from '@tapo/data';
import type { Problem } from '@tapo/data';
import type { Tool } from '@tapo/tools';
import { mkdtemp, readFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../src/config/schema.js';
import type { Config } from '../src/config/schema.js';
import type { Judge } from '../src/judged-group.js';
import { openRunDirectory, readJsonLines } from '../src/run-directory.js';
import { train } from '../src/train.js';
import type { TrainOptions } from '../src/train.js';
import { bigramEngine } from './bigram-engine.js';

// so many problems that none comes twice
const problems = Array.from({ length: 300 }, (_, i): Problem => {
  return { id: `p${i}`, question: 'a', dataSource: 'default', targets: ['a'] };
});
const judge: Judge = (_problem, { stopReason }) => {
  const accurate = stopReason === 'answer';
  return { reward: accurate ? 1 : -1, score: accurate ? 1 : -1, accurate, wellFormed: accurate, answer: null };
};
const hint = ['?<search>', '<search>q', 'q</search>', '\n<answer>', '\nz', '<answer>x', 'x</answer>', 'x<eos>', 'zz'];

/** The bigram engine with a sampler that takes its time, and a note of which weights sampled each turn of a rollout. */
function slowEngine() {
  const engine = bigramEngine(hint);
  const { sample } = engine.policy;
  const { syncSampler, load } = engine.learner;
  let synced = 0;
  const seen = { sampledBy: new Map<string, number[]>() };
  engine.policy.sample = async (request, options) => {
    const weights = seen.sampledBy.get(request.sequenceId) ?? [];
    seen.sampledBy.set(request.sequenceId, [...weights, synced]);
    await sleep(Math.random() * 6);
    return sample(request, options);
  };
  engine.learner.syncSampler = async () => {
    await syncSampler();
    synced++;
  };
  engine.learner.load = async (directory) => {
    await load(directory);
    // the checkpoints of these tests are of even steps; train() synchronises after loading
    synced = Number(/step-(\d+)/.exec(directory)?.[1]) - 1;
  };
  return { engine, seen };
}

const base: Config = {
  model: 'none',
  steps: 8,
  engine: { name: 'tinker' },
  data: { template: 'minimal', maxPromptTokens: 8 },
  rollout: { problemsPerStep: 4, groupSize: 4, maxTokens: 40, maxTurns: 2 },
  reward: { overlong: null },
  loss: { truncatedImportanceCap: 2 },
  optimizer: { learningRate: 10, warmupSteps: 1, problemsPerMiniBatch: 2 },
  checkpoint: { everySteps: 2 },
  overlap: { steps: 1 },
};

async function run(config: Partial<Config> = {}, options: Partial<TrainOptions> = {}, directory?: string) {
  const path = directory ?? (await mkdtemp(join(tmpdir(), 'tapo-overlap-')));
  const { engine, seen } = slowEngine();
  let calling = 0;
  const search: Tool<string> = {
    name: 'search',
    description: 'answers after a while',
    async execute(query) {
      calling++;
      await sleep(Math.random() * 6);
      calling--;
      return query;
    },
  };
  const result = await train(resolveConfig({ ...base, ...config }), {
    engine,
    problems,
    judge,
    tools: [search],
    run: openRunDirectory(path),
    ...options,
  });
  const metrics = await readJsonLines(join(path, 'metrics.jsonl'));
  return { path, seen, result, metrics, stillCalling: calling };
}

async function recordsOf(path: string) {
  const files = await readdir(join(path, 'trajectories'));
  const read = files.map(async (file) => {
    const step = Number(/\d+/.exec(file)?.[0]);
    return (await readJsonLines(join(path, 'trajectories', file))).map((record) => ({
      step,
      id: String(record['id']),
      problemId: String(record['problemId']),
      trained: record['trained'] === true,
    }));
  });
  return (await Promise.all(read)).flat();
}

describe.each([1, 2, 3])('overlap of %i steps', (ahead) => {
  it('samples ahead, and never trains on what is staler than the bound', async () => {
    const { path, metrics, seen } = await run({ overlap: { steps: ahead, maxStaleness: ahead } });
    const staleness = metrics.map((line) => (line['staleness'] as { max: number }).max);
    // The first steps have only the first weights to sample with; then each step's rollouts start `ahead` steps early.
    expect(Math.max(...staleness)).toBe(ahead);
    // what the engine saw, apart from what the loop believes
    const ages = (await recordsOf(path))
      .filter(({ trained }) => trained)
      .map(({ step, id }) => step - 1 - Math.min(...(seen.sampledBy.get(id) as number[])));
    expect(ages.length).toBeGreaterThan(100);
    expect(Math.max(...ages)).toBeLessThanOrEqual(ahead);
  });
});

it('learns with overlap as it does without', async () => {
  // who comes first decides what is learned from: over 20 steps the gain is 0.7 to 0.8, over 12 it may be 0.3
  const { metrics } = await run({ steps: 20, overlap: { steps: 1 } });
  const rewards = metrics.map(({ reward }) => reward as number);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean(rewards.slice(-4)) - mean(rewards.slice(0, 4))).toBeGreaterThan(0.4);
  // stale weights show as a difference between sampler and trainer
  expect(metrics[0]?.['mismatchMax']).toBeLessThan(1e-5);
  expect(metrics[3]?.['mismatchMean']).toBeGreaterThan(1e-4);
});

it('killed in the middle of a step and resumed: every problem once, in order, and no step twice', async () => {
  const path = await mkdtemp(join(tmpdir(), 'tapo-overlap-'));
  const onStep = ({ step }: { step: number }) => {
    if (step === 5) throw new Error('killed');
  };
  await expect(run({ overlap: { steps: 2 } }, { onStep }, path)).rejects.toThrow('killed');
  const saved = JSON.parse(await readFile(join(path, 'checkpoints/step-4/state.json'), 'utf8')) as {
    ahead: Problem[][][];
  };
  expect(saved.ahead).toHaveLength(2);

  const { metrics, result } = await run({ overlap: { steps: 2 } }, { resume: true }, path);
  expect(result).toEqual({ steps: 8, finished: true });
  expect(metrics.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);

  const records = await recordsOf(path);
  const groupsOf = new Map<string, Set<string>>();
  for (const { id, problemId } of records) {
    const group = id.slice(0, id.lastIndexOf('/'));
    groupsOf.set(problemId, (groupsOf.get(problemId) ?? new Set()).add(group));
  }
  expect([...groupsOf.values()].every((groups) => groups.size === 1)).toBe(true);
  const stream = createProblemStream(problems, { seed: 1 });
  expect([...groupsOf.keys()].toSorted()).toEqual(
    stream
      .draw(groupsOf.size)
      .map(({ id }) => id)
      .toSorted(),
  );
  const trained = records.filter((record) => record.trained).map(({ id }) => id);
  expect(new Set(trained).size).toBe(trained.length);
});

it('stops on request: what is under way for later steps ends before train() returns', async () => {
  const { result, stillCalling } = await run({ overlap: { steps: 2 } }, { stopRequested: () => true });
  expect(result).toEqual({ steps: 1, finished: false });
  expect(stillCalling).toBe(0);
});

/**
 * A place that lets nobody go on before `wanted` are in it and everybody who may come has come: what is between two
 * samples or calls of a tool needs no clock, so a few turns of the event loop are enough.
 */
function meetingPlace(wanted: number) {
  let inside = 0;
  let meet!: () => void;
  const met = new Promise<void>((resolve) => (meet = resolve));
  const place = {
    most: 0,
    async visit() {
      place.most = Math.max(place.most, ++inside);
      if (inside === wanted) meet();
      await met;
      for (let turn = 0; turn < 5; turn++) await nextTurn();
      inside--;
    },
  };
  return place;
}

/** The most that sampled at once, and the most that called at once, where so many must meet before anyone goes on. */
async function mostAtOnce(wanted: { sampling: number; tools: number }, concurrency: Config['concurrency'] = {}) {
  const sampling = meetingPlace(wanted.sampling);
  const calling = meetingPlace(wanted.tools);
  const engine = bigramEngine(hint);
  const { sample } = engine.policy;
  engine.policy.sample = async (...request) => sampling.visit().then(() => sample(...request));
  const search: Tool<string> = { name: 'search', description: 'waits', execute: () => calling.visit() };
  await run({ steps: 2, concurrency }, { engine, tools: [search] });
  return [sampling.most, calling.most];
}

it('sampling and tools have a concurrency of their own', async () => {
  // 4 problems · 4 rollouts
  const [sampling, calling] = await mostAtOnce({ sampling: 16, tools: 3 });
  expect(sampling).toBeGreaterThanOrEqual(16);
  expect(calling).toBeGreaterThanOrEqual(3);
  expect(await mostAtOnce({ sampling: 3, tools: 2 }, { sampling: 3, tools: 2 })).toEqual([3, 2]);
});

it('is refused where the sampler has no weights of its own', () => {
  expect(() => resolveConfig({ ...base, engine: { name: 'local' } })).toThrow(
    'overlap.steps is 1, wanted 0 with engine',
  );
  expect(() => resolveConfig({ ...base, overlap: { steps: 2, maxStaleness: 1 } })).toThrow(
    'wanted at least overlap.steps',
  );
});
