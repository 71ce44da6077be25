import { jsonProtocol, rollout, taggedSegments, toolDefinitions } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { type } from 'arktype';
import { expect, it } from 'vitest';
import { scriptedPolicy } from './scripted-policy.js';

const weather: Tool<{ city: string }> = {
  name: 'weather',
  description: 'Tells the weather.',
  inputSchema: type({ city: 'string' }),
  execute: ({ city }) => `${city}: sun`,
};
const search: Tool<string> = { name: 'search', description: 'Finds.', execute: (query) => `[${query}]` };
const tools = [weather, search] as Tool[];
const protocol = jsonProtocol(tools, { wrap: (text) => `\n@${text}@\n` });
const call = (name: string, given: unknown) => `<tool_call>${JSON.stringify({ name, arguments: given })}</tool_call>`;

async function play(script: string, options: Partial<Parameters<typeof rollout>[1]> = {}) {
  const policy = scriptedPolicy(script);
  const trajectory = await rollout(policy.tokenizer.encode('Q'), { policy, tools, protocol, ...options });
  const calls = trajectory.turns.flatMap((turn) => turn.calls);
  return { policy, trajectory, calls, text: policy.tokenizer.decode(trajectory.tokens) };
}

it('several calls in one turn run in parallel; their results come back in order', async () => {
  const arrived: string[] = [];
  let release!: () => void;
  const bothArrived = new Promise<void>((resolve) => (release = resolve));
  const finished: string[] = [];
  const barrier: Tool<string> = {
    ...search,
    // neither call returns before both have begun; the second returns first
    async execute(query) {
      if (arrived.push(query) === 2) release();
      await bothArrived;
      if (query === 'a') await new Promise((resolve) => setImmediate(resolve));
      finished.push(query);
      return `[${query}]`;
    },
  };
  const script = `${call('search', { input: 'a' })}${call('search', { input: 'b' })}<eos><answer>x</answer>`;
  const { text, trajectory, policy } = await play(script, { tools: [barrier] });
  expect([arrived, finished]).toEqual([
    ['a', 'b'],
    ['b', 'a'],
  ]);
  const responses = '<tool_response>\n[a]\n</tool_response>\n<tool_response>\n[b]\n</tool_response>';
  expect(text).toBe(`Q${script.replace('<answer>', `\n@${responses}@\n<answer>`)}`);
  expect(trajectory.stopReason).toBe('answer');
  // token in, token out: mask 1 on exactly what the policy returned
  const sampled = trajectory.tokens.filter((_, index) => trajectory.lossMask[index] === 1);
  expect(sampled).toEqual(policy.log.flatMap(({ result }) => result.tokens));
});

it.each(['{"a": {"b": "}}"}}', '"}', '\\"{', '[{]}', 'print({"x": {}})\n'])(
  'braces, quotes and lines inside a string are text: %j',
  async (input) => {
    const { calls } = await play(`${call('search', { input })}<eos><answer>x</answer>`);
    expect(calls).toMatchObject([{ status: 'ok', observation: `[${input}]` }]);
  },
);

it('a call that is never closed: at the end of a turn it is corrected, at the end of the budget the rollout ends', async () => {
  const open = call('search', { input: 'a' }).replace('</tool_call>', '');
  const ended = await play(`${open}<eos><answer>x</answer>`);
  expect(ended.calls).toEqual([]);
  expect(ended.trajectory.turns.map(({ corrected }) => corrected)).toEqual([true, false]);
  expect(ended.text).toContain('Use <tool_call>{"name": ..., "arguments": {...}}</tool_call> or');
  expect(ended.trajectory.stopReason).toBe('answer');

  const cut = await play(open.repeat(9), { maxTokens: 40 });
  expect(cut.calls).toEqual([]);
  expect(cut.trajectory).toMatchObject({ stopReason: 'length', turns: [{ corrected: false }] });
  expect(cut.trajectory.tokens).toHaveLength(40);
});

it('of several calls the bad ones are told so, each in its place, and the good ones run', async () => {
  const script = [
    call('search', { input: 'a' }),
    '<tool_call>{oops</tool_call>',
    call('nothing', {}),
    call('search', 'b'),
  ];
  const { calls } = await play(`${script.join('\n')}<eos><answer>x</answer>`);
  expect(calls.map(({ tool, status, observation }) => [tool, status, observation.slice(0, 26)])).toEqual([
    ['search', 'ok', '[a]'],
    ['', 'error', 'The call is not valid JSON'],
    ['nothing', 'error', 'There is no tool "nothing"'],
    ['search', 'ok', '[b]'],
  ]);
});

it('arguments reach the tool as an object and are validated', async () => {
  const { calls } = await play(
    `${call('weather', { city: 'Oslo' })}${call('weather', { town: 1 })}<eos><answer>x</answer>`,
  );
  expect(calls.map(({ status, observation }) => [status, observation])).toEqual([
    ['ok', 'Oslo: sun'],
    ['refused', 'Invalid input for weather: city must be a string (was missing)'],
  ]);
});

it.each([
  ['<tool_call>{"name": </tool_call>', 'The call is not valid JSON'],
  ['<tool_call>{"arguments": {}}</tool_call>', 'The call has no name'],
  ['<tool_call></tool_call>', 'The call is not valid JSON'],
  ['<tool_call>[1]</tool_call>', 'The call has no name'],
  ['<tool_call>null</tool_call>', 'The call has no name'],
  // a call ends at the first closing tag, in whatever string it stands
  [call('search', { input: '</tool_call>' }), 'The call is not valid JSON'],
  [call('__proto__', {}), 'There is no tool "__proto__". Tools: weather, search.'],
  [call('wether', {}), 'There is no tool "wether". Tools: weather, search.'],
])('a malformed call is told so: %j', async (script, message) => {
  const { calls, trajectory } = await play(`${script}<eos><answer>x</answer>`);
  expect(calls).toMatchObject([{ status: 'error', observation: expect.stringContaining(message) }]);
  expect(trajectory.stopReason).toBe('answer');
});

it('calls inside <think> are text; before the turn ends there may be more; an answer ends the rollout', () => {
  const { parse } = protocol;
  expect(parse(`<think>${call('search', {})}`, true)).toEqual({ kind: 'none' });
  expect(parse(`<think>${call('search', {})}</think><answer> 4 </answer>`, false)).toEqual({
    kind: 'answer',
    answer: '4',
  });
  expect(parse(call('search', {}), false)).toEqual({ kind: 'none' });
  expect(parse(call('search', {}), true)).toMatchObject({ kind: 'calls', calls: [{ tool: 'search' }] });
});

it("the same trajectory in the paper's tags, for scorers", async () => {
  const thought = '<think>t</think>';
  const { trajectory, policy } = await play(
    `${thought}${call('search', { input: 'a' })}${call('search', { input: 'b' })}<eos>hm<eos><answer>x</answer>`,
  );
  const segments = taggedSegments(trajectory, { tokenizer: policy.tokenizer, protocol });
  expect(segments.map(({ text, sampled }) => (sampled ? text : `~${text.trim()}`))).toEqual([
    '<think>t</think><search>{"input":"a"}</search>',
    '~<response>[a]</response>',
    '<search>{"input":"b"}</search>',
    '~<response>[b]</response>',
    '<eos>',
    'hm<eos>',
    expect.stringContaining('~@Neither a complete tool call nor an answer'),
    '<answer>x</answer>',
  ]);
});

it('tool definitions for chat templates', () => {
  expect(toolDefinitions(tools)).toMatchObject([
    {
      type: 'function',
      function: {
        name: 'weather',
        parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      },
    },
    { function: { name: 'search', parameters: { properties: { input: { type: 'string' } } } } },
  ]);
});
