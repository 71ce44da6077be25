import { rollout, rolloutGroup, tagProtocol, textSegments } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { describe, expect, it } from 'vitest';
import { scriptedPolicy } from './scripted-policy.js';

const search: Tool<string> = {
  name: 'search',
  description: 'finds',
  execute: (query) => {
    if (query === 'fail') throw new Error('boom');
    if (query === 'hang') return new Promise(() => {});
    return query === 'nothing' ? undefined : `[${query}]`;
  },
};
const tools = [search];

async function play(script: string, options: Partial<Parameters<typeof rollout>[1]> = {}) {
  const policy = scriptedPolicy(script);
  const trajectory = await rollout(policy.tokenizer.encode('Q'), { policy, tools, ...options });
  return { policy, trajectory, text: policy.tokenizer.decode(trajectory.tokens) };
}

it('a multi-turn trajectory, as aligned rows', async () => {
  const { policy, trajectory } = await play('<search>a</search><answer>b</answer>');
  // prettier-ignore
  const rows = [
    // prompt | turn 0: sampled            | observed                                                           | turn 1: sampled
    ['Q', '<search>', 'a',   '</search>', '\n', '\n', '<response>', '[', 'a', ']', '</response>', '\n', '\n', '<answer>', 'b',   '</answer>'],
    [ 0,   1,          1,     1,           0,    0,    0,            0,   0,   0,   0,             0,    0,    1,          1,     1         ],
    [ 0,  -0.01,      -0.02, -0.03,        0,    0,    0,            0,   0,   0,   0,             0,    0,   -0.04,      -0.05, -0.06     ],
  ];
  expect([policy.tokenizer.pieces(trajectory.tokens), trajectory.lossMask, trajectory.rolloutLogprobs]).toEqual(rows);
  expect(trajectory.promptLength).toBe(1);
  expect(trajectory.turns).toMatchObject([
    { start: 1, end: 4, corrected: false, calls: [{ tool: 'search', input: 'a', observation: '[a]', status: 'ok' }] },
    { start: 13, end: 16, corrected: false, calls: [] },
  ]);
  expect(trajectory.stopReason).toBe('answer');
  expect(textSegments(trajectory, policy.tokenizer)).toEqual([
    { text: '<search>a</search>', sampled: true },
    { text: '\n\n<response>[a]</response>\n\n', sampled: false },
    { text: '<answer>b</answer>', sampled: true },
  ]);
  expect(policy.released).toEqual([trajectory.id]);
});

it.each(['throws', 'rejects'])('a policy that %s when it is to release the rollout does not lose it', async (how) => {
  const policy = scriptedPolicy('<answer>b</answer>');
  policy.release = () => {
    const error = new Error('device lost');
    if (how === 'throws') throw error;
    return Promise.reject(error);
  };
  const ended: string[] = [];
  const tool: Tool = { name: 'search', description: '', execute: () => '', endRollout: (id) => void ended.push(id) };
  const trajectory = await rollout(policy.tokenizer.encode('Q'), { policy, tools: [tool], id: 'r' });
  expect(trajectory).toMatchObject({ stopReason: 'answer', error: 'policy.release failed: device lost' });
  expect(trajectory.tokens).toHaveLength(4);
  expect(ended).toEqual(['r']);
});

describe('what the policy or a tool does wrong is an observation', () => {
  it('neither a call nor an answer: corrected, and on it goes', async () => {
    const { trajectory, text } = await play('hm<eos><answer>b</answer>', {
      protocol: tagProtocol(tools, { correction: 'no' }),
    });
    expect(text).toBe('Qhm<eos>\n\n<response>no</response>\n\n<answer>b</answer>');
    expect(trajectory.turns.map(({ corrected }) => corrected)).toEqual([true, false]);
    expect(trajectory.stopReason).toBe('answer');
  });

  it('a call inside an open <think> is text: the same turn goes on', async () => {
    const { policy, trajectory } = await play('<think><search>a</search></think><answer>b</answer>');
    expect(policy.log).toHaveLength(2);
    expect(trajectory.turns).toHaveLength(1);
    expect(trajectory.lossMask.slice(1).every((mask) => mask === 1)).toBe(true);
  });

  it('failure, time-out and no result are told apart', async () => {
    const script = '<search>fail</search><search>hang</search><search>nothing</search><answer>b</answer>';
    const { trajectory } = await play(script, { toolTimeoutMs: 20 });
    const calls = trajectory.turns.flatMap((turn) => turn.calls);
    expect(calls.map(({ status }) => status)).toEqual(['error', 'timeout', 'ok']);
    expect(new Set(calls.map(({ observation }) => observation)).size).toBe(3);
    expect(trajectory.stopReason).toBe('answer');
  });

  it('observations are cut to maxObservationTokens', async () => {
    const { text } = await play(`<search>${'x'.repeat(50)}</search><answer>b</answer>`, { maxObservationTokens: 5 });
    expect(text).toContain('<response>[xxxx</response>');
  });
});

describe('stop reasons', () => {
  it('turns: maxTurns turns with tools, then one in which the attempts are used up', async () => {
    const { trajectory } = await play('<search>a</search>'.repeat(9), { maxTurns: 2 });
    const calls = trajectory.turns.flatMap((turn) => turn.calls);
    expect(calls.map(({ status }) => status)).toEqual(['ok', 'ok', 'refused']);
    expect(calls[2]?.observation).toBe('Attempts used up. Answer now.');
    expect(trajectory.stopReason).toBe('turns');
  });

  it('length: the budget ends in the middle of a turn', async () => {
    const { trajectory, text } = await play('<think>long thoughts', { maxTokens: 6 });
    expect(text).toBe('Q<think>long');
    expect(trajectory.stopReason).toBe('length');
  });

  it('length: an observation that leaves no room for a reply is recorded, not appended', async () => {
    // prompt 1 + <search>a</search> 3 + observation 2 + 1 + 3 + 1 + 2 = 13 tokens: 14 leave room for one more, 13 do not
    const tight = await play('<search>a</search><answer>b</answer>', { maxTokens: 13 });
    expect(tight.text).toBe('Q<search>a</search>');
    expect(tight.trajectory.turns[0]?.calls).toHaveLength(1);
    expect(tight.trajectory.stopReason).toBe('length');
    const roomy = await play('<search>a</search><answer>b</answer>', { maxTokens: 14 });
    expect(roomy.trajectory.tokens).toHaveLength(14);
    expect(roomy.trajectory.stopReason).toBe('length');
  });

  it('length: a prompt as long as the budget samples nothing', async () => {
    const { policy, trajectory } = await play('x', { maxTokens: 1 });
    expect(policy.log).toHaveLength(0);
    expect(trajectory).toMatchObject({ stopReason: 'length', turns: [] });
  });

  it("length: the model's own limit is nearer than the budget", async () => {
    const policy = scriptedPolicy('');
    policy.sample = async () => ({ tokens: [], logprobs: [], stopReason: 'length' });
    expect(await rollout([0], { policy, tools })).toMatchObject({ stopReason: 'length', tokens: [0] });
  });

  it('answer: completed by the last token of the budget', async () => {
    const { trajectory } = await play('<answer>b</answer>', { maxTokens: 4 });
    expect(trajectory.stopReason).toBe('answer');
  });

  it('aborted: what was sampled so far is kept', async () => {
    const controller = new AbortController();
    const aborting: Tool = { name: 'search', description: '', execute: () => controller.abort() };
    const { trajectory, text } = await play('<search>a</search>', { tools: [aborting], signal: controller.signal });
    expect(text).toBe('Q<search>a</search>');
    expect(trajectory.stopReason).toBe('aborted');
  });

  it('error: the policy fails; its message is kept', async () => {
    const policy = { ...scriptedPolicy(''), sample: () => Promise.reject(new Error('out of memory')) };
    const trajectory = await rollout([0], { policy, tools });
    expect(trajectory).toMatchObject({ stopReason: 'error', error: 'out of memory', tokens: [0] });
  });
});

describe("what the caller does wrong is an exception, what the policy's engine does wrong the rollout's error", () => {
  const policy = scriptedPolicy('<answer>b</answer>');
  it.each<[string, () => Promise<unknown>, string]>([
    ['a prompt as text', () => rollout('Q' as never, { policy }), 'promptTokens: got text, wanted a list of token ids'],
    ['no prompt', () => rollout(undefined as never, { policy }), 'promptTokens: got undefined'],
    ['a limit in words', () => rollout([0], { policy, maxTokens: 'many' as never }), "maxTokens: got 'many'"],
    ['negative turns', () => rollout([0], { policy, maxTurns: -1 }), 'maxTurns: got -1, wanted a whole number'],
    ['a group of nobody', () => rolloutGroup([0], { policy, groupSize: 0 }), 'groupSize: got 0, wanted'],
    ['a group of any size', () => rolloutGroup([0], { policy } as never), 'groupSize: got undefined'],
    ['a tool without a name', () => rollout([0], { policy, tools: [{ execute() {} } as never] }), 'a tool has no name'],
  ])('%s', async (_, run, message) => {
    await expect(run()).rejects.toThrow(message);
  });

  it('an engine that returns something else', async () => {
    const broken = { ...policy, sample: async () => ({ tokens: [1] }) as never };
    const { stopReason, error } = await rollout([0], { policy: broken });
    expect([stopReason, error]).toEqual([
      'error',
      'the policy returned { tokens: [ 1 ] }, wanted {tokens: number[], logprobs: number[], stopReason}',
    ]);
  });
});

it('a group: ids and seeds by index, results in that order, however long each takes', async () => {
  const policy = scriptedPolicy(({ seed }) => `<search>${seed}</search><answer>${seed}</answer>`);
  const slowFirst: Tool<string> = {
    name: 'search',
    description: '',
    execute: (input) => new Promise((resolve) => setTimeout(resolve, input === '7' ? 20 : 0, 'x')),
  };
  const group = await rolloutGroup([0], { policy, tools: [slowFirst], groupSize: 3, id: 'g', problemId: 'p', seed: 7 });
  expect(group.map(({ id, problemId }) => [id, problemId])).toEqual([
    ['g/0', 'p'],
    ['g/1', 'p'],
    ['g/2', 'p'],
  ]);
  expect(group.map((one) => policy.tokenizer.decode(one.tokens).slice(-10, -9))).toEqual(['7', '8', '9']);
});

it('a rollout that waits for its tool holds up nobody', async () => {
  let waiting = 0;
  let release!: () => void;
  const allWaiting = new Promise<void>((resolve) => (release = resolve));
  const barrier: Tool = {
    name: 'search',
    description: 'answers only once 16 rollouts wait in it',
    execute: async () => {
      if (++waiting === 16) release();
      await allWaiting;
      return 'x';
    },
  };
  const policy = scriptedPolicy('<search>a</search><answer>b</answer>');
  const group = await rolloutGroup([0], { policy, tools: [barrier], groupSize: 16 });
  expect(group.every(({ stopReason }) => stopReason === 'answer')).toBe(true);
});
