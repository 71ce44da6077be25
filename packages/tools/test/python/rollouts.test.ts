import { closeTools } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { createPython } from '@tapo/tools/python';
import { afterAll, describe, expect, it, vi } from 'vitest';
// the rollout package depends on this one: by path, not by name, so that no cycle of packages arises
import { rolloutGroup } from '../../../rollout/src/index.js';
import { scriptedPolicy } from '../../../rollout/test/scripted-policy.js';
import { TAKE_MEMORY } from './sandbox.js';

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 240_000 });

/** What a policy may come to write, and what it must be told. */
const hostile: [source: string, status: string, observation: RegExp][] = [
  ['while True: pass', 'timeout', /^Time limit exceeded: the code ran longer than 12 s\./],
  ['try:\n    x = 1 / 0\nfinally:\n    print("last words")', 'error', /^last words\nTraceback/],
  ['x = bytes(10**9)', 'error', /^Memory limit exceeded: the code needs more than 256 MB\./],
  ['def f(): f()\nf()', 'error', /^Recursion limit exceeded/],
  ['print("x" * 10**7)', 'ok', /^x+\n… \[\d+ characters left out\] …\nx+$/],
  ['import os\nos.kill(1, 9)', 'error', /PermissionError/],
  ['import os\nos._exit(1)', 'error', /^The program ended the interpreter with exit status 1\./],
  [`${TAKE_MEMORY}memory[0:20 << 20] = bytes(20 << 20)`, 'error', /^The interpreter failed and was restarted\./],
  ['import socket\nsocket.create_connection(("1.1.1.1", 80))', 'error', /gaierror/],
  ['open("/etc/passwd")', 'error', /FileNotFoundError/],
  ['input("name? ")', 'error', /EOFError: input\(\) is not available here/],
  ['print(', 'error', /SyntaxError/],
];

describe.each(['call', 'rollout'] as const)('rollouts whose code is hostile or endless (lifetime: %s)', (lifetime) => {
  const python = createPython({ workers: 2, spares: 1, timeLimitMs: 12_000, lifetime });
  afterAll(() => closeTools([python as Tool]));

  it('all come to their answer, each with what happened in the observations', async () => {
    await python.ready();
    // one group at once; every rollout mixes hostile programs, begun at another place, with one of its own
    const starts = [0, 3, 6, 9];
    let next = 0;
    const programs = (start: number) => [
      ...Array.from({ length: 3 }, (_, index) => hostile[start + index]![0]),
      `print(${start} + 1)`,
    ];
    const script = () => {
      const calls = programs(starts[next++]!).map((source) => `<code>${source}</code>`);
      return `${calls.join('')}<answer>done</answer>`;
    };
    const policy = scriptedPolicy(script);
    const trajectories = await rolloutGroup(policy.tokenizer.encode('Q'), {
      policy,
      tools: [python as Tool],
      groupSize: starts.length,
      maxTokens: 200_000,
      maxTurns: 8,
      toolTimeoutMs: 120_000,
    });
    expect(trajectories.map(({ stopReason }) => stopReason)).toEqual(starts.map(() => 'answer'));
    for (const { turns, tokens, lossMask, rolloutLogprobs } of trajectories) {
      // nothing is lost: a row of each for every token
      expect([lossMask.length, rolloutLogprobs.length]).toEqual([tokens.length, tokens.length]);
      const calls = turns.flatMap((turn) => turn.calls);
      const start = starts.find((one) => calls[0]?.input === hostile[one]![0])!;
      expect(calls.map(({ status }) => status)).toEqual([
        ...hostile.slice(start, start + 3).map(([, status]) => status),
        'ok',
      ]);
      hostile.slice(start, start + 3).forEach(([, , observation], index) => {
        expect(calls[index]?.observation).toMatch(observation);
      });
      expect(calls.at(-1)?.observation).toBe(String(start + 1));
    }
  });

  it('the pool is whole afterwards, and the rollouts are forgotten', async () => {
    await vi.waitFor(
      () => expect(python.stats).toMatchObject({ idle: 3, busy: 0, starting: 0, sessions: 0, stateBytes: 0 }),
      60_000,
    );
  });
});
