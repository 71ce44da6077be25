import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { callTool, ToolError } from '@tapo/tools';
import type { Tool, ToolStatus } from '@tapo/tools';
import { type } from 'arktype';
import { expect, it } from 'vitest';

const tool = (execute: Tool['execute'], more: Partial<Tool> = {}): Tool => ({
  name: 'echo',
  description: 'Echoes.',
  execute,
  ...more,
});
const area = tool((input) => input, { inputSchema: type({ country: 'string', unit: "'km2' | 'mi2'" }) });

it('passes text through', async () => {
  const result = await callTool(
    tool((input) => `<${String(input)}>`),
    'a b',
  );
  expect(result).toEqual({ observation: '<a b>', status: 'ok', durationMs: expect.any(Number) });
});

it('tells the tool whom it serves', async () => {
  const result = await callTool(
    tool((_, context) => `${context.rolloutId}/${context.toolCallId}`),
    'x',
    { toolCallId: 'c7', rolloutId: 'r1' },
  );
  expect(result.observation).toBe('r1/c7');
});

it('shows other outputs as JSON, or as toObservation has it', async () => {
  expect(
    (
      await callTool(
        tool(() => ({ sum: 3 })),
        'x',
      )
    ).observation,
  ).toBe('{"sum":3}');
  const dressed = tool(() => 3, { toObservation: (output) => `sum: ${String(output)}` });
  expect((await callTool(dressed, 'x')).observation).toBe('sum: 3');
});

const misbehaviours: [string, Tool['execute'], ToolStatus, string][] = [
  ['throws', () => Promise.reject(new Error('disk full')), 'error', 'The echo tool failed: disk full'],
  [
    'throws before it awaits',
    () => {
      throw new TypeError('no');
    },
    'error',
    'The echo tool failed: no',
  ],
  ['throws nothing', () => Promise.reject(undefined), 'error', 'The echo tool failed: undefined'],
  [
    'refuses',
    () => {
      throw new ToolError('refused', 'Too long.');
    },
    'refused',
    'Too long.',
  ],
  ['returns no result', () => undefined, 'ok', 'The echo tool returned no result.'],
  ['returns an empty list', () => [], 'ok', 'The echo tool returned no result.'],
  ['returns a function', () => () => 1, 'ok', 'The echo tool returned no result.'],
  ['returns empty text', () => ' \n', 'ok', 'The echo tool returned empty text.'],
];
it.each(misbehaviours)('a tool that %s', async (_, execute, status, observation) => {
  expect(await callTool(tool(execute), 'x')).toMatchObject({ status, observation });
});

it('a result that has no JSON is an error', async () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  expect(
    (
      await callTool(
        tool(() => cyclic),
        'x',
      )
    ).status,
  ).toBe('error');
  expect(
    (
      await callTool(
        tool(() => 1n),
        'x',
      )
    ).status,
  ).toBe('error');
  const wrong = tool(() => 1, { toObservation: () => 7 as unknown as string });
  expect((await callTool(wrong, 'x')).observation).toContain('gave number, wanted a string');
});

it('a tool that hangs is aborted at the time limit', async () => {
  let reason: unknown;
  const hanging = tool((_, { signal }) => {
    signal.addEventListener('abort', () => (reason = signal.reason));
    return new Promise(() => {});
  });
  const result = await callTool(hanging, 'x', { timeoutMs: 20 });
  expect(result).toMatchObject({ status: 'timeout', observation: 'The echo tool did not answer within 0.02 s.' });
  expect(result.durationMs).toBeGreaterThanOrEqual(19);
  expect(reason).toMatchObject({ name: 'TimeoutError' });
});

it('a rejection after the time limit is nobody’s unhandled rejection', async () => {
  const unhandled: unknown[] = [];
  const listen = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', listen);
  const late = tool(
    (_, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => setTimeout(() => reject(new Error('late')), 5)),
      ),
  );
  expect((await callTool(late, 'x', { timeoutMs: 5 })).status).toBe('timeout');
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off('unhandledRejection', listen);
  expect(unhandled).toEqual([]);
});

it('the caller’s signal cancels the call, and no listener stays behind', async () => {
  const controller = new AbortController();
  const pending = callTool(
    tool(() => new Promise(() => {})),
    'x',
    { signal: controller.signal },
  );
  controller.abort();
  expect(await pending).toMatchObject({ status: 'error', observation: 'The echo call was cancelled.' });
  let executed = false;
  await callTool(
    tool(() => (executed = true)),
    'x',
    { signal: controller.signal },
  );
  expect(executed).toBe(false);
});

it('no time limit of a large number is not a limit of one millisecond', async () => {
  const slow = tool(() => new Promise((resolve) => setTimeout(() => resolve('done'), 10)));
  expect((await callTool(slow, 'x', { timeoutMs: 2 ** 40 })).observation).toBe('done');
});

it('blank text is refused', async () => {
  expect(
    await callTool(
      tool(() => 'x'),
      ' \n',
    ),
  ).toMatchObject({ status: 'refused', observation: 'The echo call was empty: write its input.' });
  expect(
    (
      await callTool(
        tool(() => 'x'),
        7,
      )
    ).observation,
  ).toBe('Invalid input for echo: wanted text, as {"input": "…"}.');
});

it('a text tool called as a function takes {input}', async () => {
  expect(
    (
      await callTool(
        tool((input) => input),
        { input: 'a' },
      )
    ).observation,
  ).toBe('a');
  const short = tool((input) => input, { inputSchema: type('string <= 3') });
  expect((await callTool(short, { input: 'abc' })).observation).toBe('abc');
  expect((await callTool(short, 'abcd')).status).toBe('refused');
});

it('a schema takes objects, and text that is JSON', async () => {
  const input = { country: 'Chad', unit: 'km2' };
  expect((await callTool(area, input)).observation).toBe(JSON.stringify(input));
  expect((await callTool(area, JSON.stringify(input))).observation).toBe(JSON.stringify(input));
});

it('a rejected input becomes an observation that says what was wrong', async () => {
  const { status, observation } = await callTool(area, '{"country": 7, "unit": "km2"}');
  expect(status).toBe('refused');
  expect(observation).toBe('Invalid input for echo: country must be a string (was a number)');
  expect((await callTool(area, 'Chad')).observation).toContain('must be an object');
});

it('a schema that throws or hangs is an observation too', async () => {
  const schema = (validate: () => never | Promise<never>) =>
    ({ '~standard': { version: 1, vendor: 'test', validate } }) as const;
  const throwing = tool(() => 1, {
    inputSchema: schema(() => {
      throw new Error('bad schema');
    }),
  });
  expect((await callTool(throwing, 'x')).observation).toBe('The echo tool failed: bad schema');
  const hanging = tool(() => 1, { inputSchema: schema(() => new Promise(() => {})) });
  expect((await callTool(hanging, 'x', { timeoutMs: 5 })).status).toBe('timeout');
});

it('cuts a huge output in the middle, and says how much is missing', async () => {
  // 100 units allowed; the marker takes 37, so ceil(63/2) = 32 at the head and 31 at the tail
  const { observation, status } = await callTool(
    tool(() => 'a'.repeat(5_000) + 'b'.repeat(5_000)),
    'x',
    { maxObservationLength: 100 },
  );
  expect(status).toBe('ok');
  expect(observation).toHaveLength(100);
  expect(observation).toMatch(/^a+\n… \[9900 characters left out\] …\nb+$/);
});

it('never cuts a character in two', async () => {
  for (let maxObservationLength = 1; maxObservationLength < 120; maxObservationLength++) {
    const { observation } = await callTool(
      tool(() => '🦊'.repeat(500)),
      'x',
      { maxObservationLength },
    );
    expect(observation.length).toBeLessThanOrEqual(maxObservationLength);
    expect(Buffer.from(observation, 'utf8').toString('utf8')).toBe(observation);
  }
});

it('does not keep a huge output alive', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const before = process.memoryUsage().heapUsed;
  const kept: string[] = [];
  for (let i = 0; i < 5; i++) {
    const huge = tool(() => `${i}`.repeat(10_000_000));
    kept.push((await callTool(huge, 'x', { maxObservationLength: 1_000 })).observation);
  }
  collect();
  // 5 outputs of 10 MB, of which 5 KB are kept
  expect(kept.join('')).toHaveLength(5_000);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000);
});

it('a ToolError of another copy of this package is one as well', async () => {
  // as a bundler, or a second version in node_modules, makes it
  class ToolError extends Error {
    override readonly name = 'ToolError';
    readonly status = 'refused';
  }
  const failing = tool(() => Promise.reject(new ToolError('Too long.')));
  expect(await callTool(failing, 'x')).toMatchObject({ status: 'refused', observation: 'Too long.' });
});
