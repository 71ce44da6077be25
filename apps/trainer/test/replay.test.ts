import type { Problem } from '@tapo/data';
import type { Tool } from '@tapo/tools';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadCheckpoint } from '../src/checkpoint.js';
import { resolveConfig } from '../src/config/schema.js';
import { firstDivergence, replay } from '../src/replay.js';
import { openRunDirectory, readJsonLines } from '../src/run-directory.js';
import { train } from '../src/train.js';
import type { TrajectoryRecord } from '../src/trajectory-records.js';
import { bigramEngine } from './bigram-engine.js';

const hint = ['?<search>', '<search>q', 'q</search>', '\n<answer>', '\nz', '<answer>x', 'x</answer>', 'x<eos>', 'zz'];
const search: Tool<string> = { name: 'search', description: 'echo', execute: (query) => `found ${query}` };
const problems: Problem[] = ['a', 'b'].map((id) => ({ id, question: id, dataSource: 'default', targets: [] }));
const config = resolveConfig({
  model: 'none',
  steps: 3,
  data: { template: 'minimal', maxPromptTokens: 8 },
  rollout: { problemsPerStep: 2, groupSize: 4, maxTokens: 40, maxTurns: 2 },
  reward: { overlong: null },
  optimizer: { learningRate: 20, warmupSteps: 1, problemsPerMiniBatch: 2 },
  checkpoint: { everySteps: 1, keep: 3 },
});

describe('a recorded rollout, repeated', () => {
  let path: string;
  let records: TrajectoryRecord[];

  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'tapo-replay-'));
    await train(config, {
      engine: bigramEngine(hint),
      problems,
      judge: (_, { stopReason }) => {
        const accurate = stopReason === 'answer';
        return { reward: Number(accurate), score: Number(accurate), accurate, wellFormed: true, answer: null };
      },
      tools: [search],
      run: openRunDirectory(path),
    });
    const all = await readJsonLines(join(path, 'trajectories', 'step-3.jsonl'));
    records = (all as unknown as TrajectoryRecord[]).filter(({ id }) => id.startsWith('step-3/'));
  });

  async function engineBefore(step: number) {
    const engine = bigramEngine(hint);
    await loadCheckpoint(join(path, 'checkpoints', `step-${step - 1}`), engine.learner);
    return engine;
  }

  it('with the weights of then: the same to the bit, every one of them', async () => {
    const { policy } = await engineBefore(3);
    expect(records.length).toBeGreaterThan(7);
    for (const record of records) {
      expect((await replay(record, { config, policy, tools: [search] })).divergence).toBeUndefined();
    }
  });

  it('with other weights: the first token or log-probability that differs', async () => {
    const { policy } = await engineBefore(2);
    const [record] = records as [TrajectoryRecord];
    const { divergence } = await replay(record, { config, policy, tools: [search] });
    expect(divergence).toMatchObject({ position: record.promptLength, turn: 0, what: 'log-probability' });
  });

  it('with a tool that answers otherwise: the observation, as it was and as it is', async () => {
    const { policy } = await engineBefore(3);
    const called = records.find(({ turns }) => (turns[0]?.calls.length ?? 0) > 0) as TrajectoryRecord;
    const other = { ...search, execute: (query: string) => `fonud ${query}` };
    const { divergence } = await replay(called, { config, policy, tools: [other] });
    expect(divergence).toMatchObject({ turn: 0, what: 'observation' });
    expect(divergence?.recorded).toMatch(/^found/);
    expect(divergence?.repeated).toMatch(/^fonud/);
  });
});

it('length and ending count, too', () => {
  const turns = [{ start: 1, end: 3, calls: [], corrected: false }];
  const recorded = {
    tokens: [1, 2, 3],
    lossMask: [0, 1, 1],
    rolloutLogprobs: [0, -1, -2],
    turns,
    stopReason: 'answer' as const,
  };
  const shorter = { ...recorded, tokens: [1, 2], lossMask: [0, 1], rolloutLogprobs: [0, -1] };
  expect(firstDivergence(recorded, shorter, String)).toMatchObject({
    position: 2,
    what: 'length',
    repeated: '2 tokens',
  });
  const cut = { ...recorded, stopReason: 'length' as const };
  expect(firstDivergence(recorded, cut, String)).toMatchObject({
    what: 'ending',
    recorded: 'answer',
    repeated: 'length',
  });
});
