import type { Problem } from '@tapo/data';
import type { Tool } from '@tapo/tools';
import { budgeted, createBudget } from '@tapo/tools/budget';
import { cached } from '@tapo/tools/cache';
import { createSearch } from '@tapo/tools/search';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../src/config/schema.js';
import type { Config } from '../src/config/schema.js';
import type { Judge } from '../src/judged-group.js';
import { openRunDirectory, readJsonLines } from '../src/run-directory.js';
import type { ToolUsage } from '../src/tools/tool-usage.js';
import { train } from '../src/train.js';
import type { TrainOptions } from '../src/train.js';
import { bigramEngine } from './bigram-engine.js';

const problems: Problem[] = ['a', 'b', 'c'].map((letter) => ({
  id: letter,
  question: letter,
  dataSource: 'default',
  targets: [letter],
}));
const search: Tool<string> = {
  name: 'search',
  description: 'answers after a time that differs from call to call',
  execute: (query) => new Promise((resolve) => setTimeout(resolve, Math.random() * 4, query)),
};
/** any closed answer is right */
const judge: Judge = (_problem, { stopReason }) => {
  const accurate = stopReason === 'answer';
  return { reward: accurate ? 1 : -1, score: accurate ? 1 : -1, accurate, wellFormed: accurate, answer: null };
};
// likely: search once, then answer "x", or never end
const hint = ['?<search>', '<search>q', 'q</search>', '\n<answer>', '\nz', '<answer>x', 'x</answer>', 'x<eos>', 'zz'];

const base: Config = {
  model: 'none',
  steps: 6,
  data: { template: 'minimal', maxPromptTokens: 8 },
  rollout: { problemsPerStep: 4, groupSize: 4, maxTokens: 40, maxTurns: 2 },
  reward: { overlong: null },
  optimizer: { learningRate: 20, warmupSteps: 1, problemsPerMiniBatch: 2 },
  checkpoint: { everySteps: 2 },
};

async function run(config: Partial<Config> = {}, options: Partial<TrainOptions> = {}, directory?: string) {
  const path = directory ?? (await mkdtemp(join(tmpdir(), 'tapo-train-')));
  const engine = bigramEngine(hint);
  const warnings: string[] = [];
  const result = await train(resolveConfig({ ...base, ...config }), {
    engine,
    problems,
    judge,
    tools: [search],
    run: openRunDirectory(path),
    warn: (text) => warnings.push(text),
    ...options,
  });
  const file = join(path, 'metrics.jsonl');
  const metrics = existsSync(file) ? await readJsonLines(file) : [];
  return { path, engine, result, warnings, metrics };
}

/** metrics without what a clock or the memory decides */
function timeless(metrics: Record<string, unknown>[]) {
  const clocked = [
    'seconds',
    'sampledTokensPerSecond',
    'trainedTokensPerSecond',
    'residentBytes',
    'callMs',
    'callMsByTool',
  ];
  return metrics.map((line) => {
    expect(Object.keys(line)).toEqual(expect.arrayContaining(clocked));
    return Object.fromEntries(Object.entries(line).filter(([key]) => !clocked.includes(key)));
  });
}

it('learns: the reward rises and the files say so', async () => {
  const { path, metrics, result } = await run({ steps: 12 });
  expect(result).toEqual({ steps: 12, finished: true });
  expect(metrics).toHaveLength(12);
  const rewards = metrics.map(({ reward }) => reward as number);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  // seed 1: −0.25 over the first four steps, 0.33 over the last four
  expect(mean(rewards.slice(-4)) - mean(rewards.slice(0, 4))).toBeGreaterThan(0.4);
  expect((await readdir(join(path, 'trajectories'))).length).toBe(12);
  expect((await readdir(join(path, 'checkpoints'))).toSorted()).toEqual(['step-10', 'step-12']);
});

it('the trajectory records: aligned columns, the advantage of the group, text by writer', async () => {
  const { path } = await run({ steps: 1 });
  const records = await readJsonLines(join(path, 'trajectories', 'step-1.jsonl'));
  const trained = records.filter((record) => record['trained']);
  expect(trained).toHaveLength(16);
  for (const record of trained) {
    const { tokens, lossMask, rolloutLogprobs, oldLogprobs } = record as Record<string, number[]>;
    expect(lossMask?.length).toBe(tokens?.length);
    expect(oldLogprobs?.length).toBe(tokens?.length);
    // before the first update the trainer's forward pass is the sampler's: float32 beside float64
    const gaps = (oldLogprobs ?? []).map((value, i) => Math.abs(value - (rolloutLogprobs?.[i] ?? NaN)));
    expect(Math.max(...gaps)).toBeLessThan(1e-5);
    expect(record).toMatchObject({ question: record['problemId'], prompt: record['problemId'] });
  }
});

describe('determinism', () => {
  it('two runs with one seed are bit-identical, however long the tools take; another seed differs', async () => {
    const [one, two, other] = [await run(), await run(), await run({ seed: 2 })];
    expect(two.engine.weights).toEqual(one.engine.weights);
    expect(timeless(two.metrics)).toEqual(timeless(one.metrics));
    expect(other.engine.weights).not.toEqual(one.engine.weights);
  });

  it('a run killed in the middle of a step and resumed is bit-identical', async () => {
    const whole = await run();
    const path = await mkdtemp(join(tmpdir(), 'tapo-train-'));
    const dying = bigramEngine(hint);
    const killed = run(
      {},
      { engine: dying, onStep: ({ step }) => void (dying.failAt = step === 5 ? 3 : -1), warn: kill },
      path,
    );
    await expect(killed).rejects.toThrow('killed');
    // as a kill leaves it: half a line, half a checkpoint
    await writeFile(join(path, 'metrics.jsonl'), '{"step":6,"rew', { flag: 'a' });
    const resumed = await run({}, { resume: true }, path);
    expect(resumed.engine.weights).toEqual(whole.engine.weights);
    expect(timeless(resumed.metrics)).toEqual(timeless(whole.metrics));
    const file = join('trajectories', 'step-5.jsonl');
    const withoutTimes = (text: string) => text.replaceAll(/"durationMs":[\d.e-]+/g, '');
    expect(withoutTimes(await readFile(join(path, file), 'utf8'))).toBe(
      withoutTimes(await readFile(join(whole.path, file), 'utf8')),
    );
  });

  it('a run killed before its first checkpoint starts again, and leaves no line twice', async () => {
    const whole = await run();
    const path = await mkdtemp(join(tmpdir(), 'tapo-train-'));
    const dying = bigramEngine(hint);
    const onStep = () => void (dying.failAt = 3);
    await expect(run({}, { engine: dying, onStep, warn: kill }, path)).rejects.toThrow('killed');
    const resumed = await run({}, { resume: true }, path);
    expect(timeless(resumed.metrics)).toEqual(timeless(whole.metrics));
  });

  it('stopping on request saves, and the resumed run is bit-identical', async () => {
    const whole = await run();
    let steps = 0;
    const { path, result } = await run({}, { stopRequested: () => ++steps === 3 });
    expect(result).toEqual({ steps: 3, finished: false });
    const resumed = await run({}, { resume: true }, path);
    expect(resumed.engine.weights).toEqual(whole.engine.weights);
  });
});

it('a KL penalty pulls the policy towards the reference', async () => {
  // equal rewards: the advantages are 0 and nothing but the penalty is left
  const indifferent: Judge = () => ({ reward: 0, score: 0, accurate: false, wellFormed: true, answer: null });
  const { metrics } = await run(
    { steps: 8, loss: { klCoefficient: 0.1 }, dynamicSampling: { enabled: false } },
    { judge: indifferent, reference: bigramEngine().learner },
  );
  const divergences = metrics.map(({ referenceKl }) => referenceKl as number);
  expect(divergences.at(-1)).toBeLessThan(0.8 * (divergences[0] as number));
});

it('log-probabilities before the update: the first one’s own pass has them, the others get a pass before it', async () => {
  const engine = bigramEngine(hint);
  const calls: string[] = [];
  const { logprobs, forwardBackward } = engine.learner;
  engine.learner.logprobs = (batch) => (calls.push('logprobs'), logprobs(batch));
  engine.learner.forwardBackward = (batch, loss) => {
    calls.push(batch.oldLogprobs ? 'update, given' : 'update, own');
    return forwardBackward(batch, loss);
  };
  const { path, metrics } = await run({ steps: 1, dynamicSampling: { enabled: false } }, { engine });
  expect(calls).toEqual(['logprobs', 'update, own', 'update, given']);
  const records = await readJsonLines(join(path, 'trajectories', 'step-1.jsonl'));
  const same = records.map((record) => String(record['logprobs']) === String(record['oldLogprobs']));
  expect(same).toEqual(Array.from({ length: 16 }, (_, i) => i < 8));
  expect(metrics[0]?.['ratioMax']).toBeGreaterThan(1);
});

it('oldLogprobs "sampler": the forward pass before the update is left out', async () => {
  const engine = bigramEngine(hint);
  engine.learner.logprobs = () => Promise.reject(new Error('not to be called'));
  const { path } = await run({ steps: 1, loss: { oldLogprobs: 'sampler' } }, { engine });
  const records = await readJsonLines(join(path, 'trajectories', 'step-1.jsonl'));
  const gaps = records.flatMap((record) => {
    const { lossMask = [], rolloutLogprobs = [], oldLogprobs = [] } = record as Record<string, number[]>;
    const sampled = lossMask.flatMap((mask, i) => (mask === 1 && record['trained'] ? [i] : []));
    return sampled.map((i) => Math.abs((oldLogprobs[i] as number) - (rolloutLogprobs[i] as number)));
  });
  // the same numbers, as float32
  expect(Math.max(...gaps)).toBeLessThan(1e-6);
  // with one mini-batch the ratios are 1, and the update is that of the learner's own numbers but for rounding
  const one = { steps: 1, optimizer: { learningRate: 1, warmupSteps: 1, problemsPerMiniBatch: 4 } };
  const [sampler, learner] = [await run({ ...one, loss: { oldLogprobs: 'sampler' } }), await run(one)];
  const changes = sampler.engine.weights.map((weight, i) => Math.abs(weight - (learner.engine.weights[i] as number)));
  expect(Math.max(...changes)).toBeLessThan(1e-6);
  expect(learner.engine.weights).not.toEqual(bigramEngine(hint).weights);
});

it('many rollouts that listen for the end of a run are no leak: Node does not warn', async () => {
  const warned: string[] = [];
  const listen = (warning: Error) => void warned.push(warning.name);
  process.on('warning', listen);
  const engine = bigramEngine(hint);
  const { sample } = engine.policy;
  // as the local engine does: one listener per request until it is answered; 16 rollouts are under way
  engine.policy.sample = async (request, options) => {
    const stop = () => {};
    options?.signal?.addEventListener('abort', stop);
    await new Promise((resolve) => setTimeout(resolve, 1));
    options?.signal?.removeEventListener('abort', stop);
    return sample(request, options);
  };
  await run({ steps: 1 }, { engine });
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  expect(warned).toEqual([]);
});

describe('steps that cannot be like the others', () => {
  it('no spread at all: filled up after maxDraws, no update changes anything, and it says so', async () => {
    const always: Judge = () => ({ reward: 1, score: 1, accurate: true, wellFormed: true, answer: null });
    const { engine, warnings, metrics } = await run({ steps: 1, dynamicSampling: { maxDraws: 2 } }, { judge: always });
    expect(engine.weights).toEqual(bigramEngine(hint).weights);
    expect(warnings).toEqual(['step 1: 4 groups without spread fill it up after 2 draws']);
    expect(metrics[0]?.['groups']).toMatchObject({ drawn: 8, trained: 4, unfiltered: 4, dropped: 4, draws: 2 });
  });

  it('nothing sampled: skipped with a warning, never NaN', async () => {
    const { warnings, metrics } = await run(
      {
        steps: 1,
        data: { template: 'minimal', maxPromptTokens: 1 },
        rollout: { problemsPerStep: 2, groupSize: 2, maxTokens: 2, maxTurns: 0 },
      },
      { problems: [{ id: 'x', question: 'a', dataSource: 'default', targets: [] }], tools: [] },
    );
    expect(JSON.stringify(metrics)).not.toContain('null');
    expect(warnings.join()).toContain('without spread');
  });

  it('the engine fails in one group: left out and reported; in all: the run ends', async () => {
    const engine = bigramEngine(hint);
    engine.failAt = 0;
    const { warnings } = await run({ steps: 1 }, { engine });
    expect(warnings[0]).toBe('step 1: the engine failed in 1 of 4 groups: device lost; they are left out');
    const dead = bigramEngine(hint);
    dead.policy.sample = () => Promise.reject(new Error('device lost'));
    await expect(run({ steps: 1 }, { engine: dead })).rejects.toThrow('failed in 4 of 4 groups: device lost');
  });
});

function kill(message: string): never {
  throw new Error(`killed: ${message}`);
}

describe('a budget that runs out', () => {
  it('drops the step, saves, and goes on to the bit as if there had been none', async () => {
    // what three steps spend is not enough for the fourth
    const unlimited = createBudget();
    const spent: number[] = [];
    const onStep = () => void spent.push(unlimited.queries);
    const whole = await run({}, { tools: [budgeted(search as Tool, unlimited)], onStep });
    const maxQueries = spent[2]!;
    expect(spent[3]).toBeGreaterThan(maxQueries);

    const path = await mkdtemp(join(tmpdir(), 'tapo-train-'));
    const budget = createBudget({ maxQueries });
    const stopped = await run({}, { tools: [budgeted(search as Tool, budget)], budget: budget.signal }, path);
    expect(stopped.result).toMatchObject({ steps: 3, finished: false, reason: expect.stringContaining('used up') });
    expect(budget.queries).toBe(maxQueries);
    expect(stopped.metrics).toHaveLength(3);
    const resumed = await run({}, { resume: true }, path);
    expect(resumed.engine.weights).toEqual(whole.engine.weights);
    expect(timeless(resumed.metrics)).toEqual(timeless(whole.metrics));
  });

  it('in the first step: there is a checkpoint of step 0', async () => {
    const budget = createBudget({ maxQueries: 0 });
    const { path, result } = await run({}, { tools: [budgeted(search as Tool, budget)], budget: budget.signal });
    expect(result).toMatchObject({ steps: 0, finished: false });
    expect(await readdir(join(path, 'checkpoints'))).toEqual(['step-0']);
  });
});

it('hit rates of the cache and the inflation of calls are in the metrics', async () => {
  const inner = createSearch({ documents: [{ title: 'q', text: 'q' }], minQueryLength: 1 });
  const tool = cached(inner);
  const usage = () => ({ ...tool.counts(), cost: 0 });
  const perStep = [usage()];
  const { metrics } = await run(
    { steps: 2 },
    { tools: [tool as Tool], usage, onStep: () => void perStep.push(usage()) },
  );
  for (const [step, row] of metrics.entries()) {
    const count = (key: keyof ToolUsage) => perStep[step + 1]![key] - perStep[step]![key];
    const queries = count('exact') + count('fuzzy') + count('coalesced') + count('miss');
    expect(queries).toBeGreaterThan(0);
    expect(row['cacheHits']).toEqual({
      exact: count('exact') / queries,
      fuzzy: count('fuzzy') / queries,
      coalesced: count('coalesced') / queries,
    });
    expect(row['cacheHitRate']).toBe(1 - count('miss') / queries);
    expect(row['externalQueries']).toBe(count('miss'));
  }
  // the first step is its own measure; the second is measured against the mean of both
  const perProblem = metrics.map((row) => row['callsPerProblem'] as number);
  const inflation = metrics.map((row) => (row['watch'] as Record<string, number>)['callInflation']);
  expect(inflation).toEqual([1, expect.closeTo((2 * perProblem[1]!) / (perProblem[0]! + perProblem[1]!), 12)]);
});
