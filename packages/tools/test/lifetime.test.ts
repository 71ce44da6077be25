import { callTool, closeTools, endRollout, statefulTool } from '@tapo/tools';
import type { StatefulTool, Tool } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import { expect, it } from 'vitest';

interface Notes {
  id: number;
  lines: string[];
}

/** A notebook: each call adds a line and shows the notebook's number and all its lines. */
function notebook(lifetime: 'call' | 'rollout' | 'run', more: Partial<StatefulTool<Notes, string, string>> = {}) {
  const log: string[] = [];
  let count = 0;
  const tool = statefulTool<Notes, string, string>({
    name: 'note',
    description: 'Keeps notes.',
    lifetime,
    open: () => {
      count += 1;
      log.push(`open ${count}`);
      return { id: count, lines: [] };
    },
    execute: (input, _, notes) => `${notes.id}:${notes.lines[notes.lines.push(input) - 2] ?? ''}+${input}`,
    release: ({ id }) => void log.push(`release ${id}`),
    ...more,
  });
  let calls = 0;
  const call = (input: string, rolloutId = 'r', timeoutMs = 1_000) =>
    callTool(tool, input, { rolloutId, toolCallId: `c${(calls += 1)}`, timeoutMs });
  return { tool, call, log };
}

toolConformance('stateful tool', () => notebook('rollout').tool, {
  test: it,
  cases: [{ input: 'a', observation: '+a' }],
  deterministic: false,
});

it('per call: nothing is left for the next one', async () => {
  const { call, log } = notebook('call');
  expect((await call('a')).observation).toBe('1:+a');
  expect((await call('b')).observation).toBe('2:+b');
  expect(log).toEqual(['open 1', 'release 1', 'open 2', 'release 2']);
});

it('per rollout: its calls share a state, other rollouts have their own', async () => {
  const { tool, call, log } = notebook('rollout');
  expect((await call('a', 'r1')).observation).toBe('1:+a');
  expect((await call('b', 'r2')).observation).toBe('2:+b');
  expect((await call('c', 'r1')).observation).toBe('1:a+c');
  await endRollout([tool], 'r1');
  expect(log).toEqual(['open 1', 'open 2', 'release 1']);
  expect((await call('d', 'r1')).observation).toBe('3:+d');
  await closeTools([tool]);
  await closeTools([tool]);
  expect(log.slice(4)).toEqual(['release 2', 'release 3']);
});

it('per run: all rollouts share it until the end', async () => {
  const { tool, call, log } = notebook('run');
  await call('a', 'r1');
  await endRollout([tool], 'r1');
  expect((await call('b', 'r2')).observation).toBe('1:a+b');
  await closeTools([tool]);
  expect(log).toEqual(['open 1', 'release 1']);
});

it('calls of one rollout run one after the other, those of others at the same time', async () => {
  const running: string[] = [];
  const { call } = notebook('rollout', {
    execute: async (input) => {
      running.push(`+${input}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running.push(`-${input}`);
      return input;
    },
  });
  await Promise.all([call('a', 'r1'), call('b', 'r1'), call('c', 'r2')]);
  expect(running).toEqual(['+a', '+c', '-a', '+b', '-c', '-b']);
});

it('a call that is cut off takes its state with it, and the next is not held up', async () => {
  const { call, log } = notebook('rollout', {
    execute: (input, _, { id }) => (input === 'hang' ? new Promise<string>(() => {}) : `${id}:${input}`),
  });
  const hanging = call('hang', 'r', 20);
  const next = call('a');
  expect((await hanging).status).toBe('timeout');
  expect((await next).observation).toBe('2:a');
  expect(log).toEqual(['open 1', 'release 1', 'open 2']);
});

it('a state that is ready too late is released all the same', async () => {
  let ready: (notes: Notes) => void = () => {};
  const { call, log } = notebook('call', { open: () => new Promise<Notes>((resolve) => (ready = resolve)) });
  expect((await call('a', 'r', 5)).status).toBe('timeout');
  ready({ id: 9, lines: [] });
  await new Promise((resolve) => setImmediate(resolve));
  expect(log).toEqual(['release 9']);
});

it('what could not be opened is tried again', async () => {
  let attempts = 0;
  const open = () => {
    attempts += 1;
    if (attempts === 1) throw new Error('no room');
    return { id: attempts, lines: [] };
  };
  for (const lifetime of ['call', 'rollout', 'run'] as const) {
    attempts = 0;
    const { call } = notebook(lifetime, { open });
    expect(await call('a')).toMatchObject({ status: 'error', observation: 'The note tool failed: no room' });
    expect((await call('b')).observation).toBe('2:+b');
  }
});

it('closeTools closes all, and then says what failed', async () => {
  const { tool, call, log } = notebook('run');
  await call('a');
  const broken: Tool = { ...tool, close: () => Promise.reject(new Error('stuck')) };
  await expect(closeTools([broken, tool])).rejects.toThrow('stuck');
  expect(log).toContain('release 1');
});
