import { createTool } from '@mastra/core/tools';
import { tool as langChainTool } from '@langchain/core/tools';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { tool as agentsTool } from '@openai/agents';
import { closeTools } from '@tapo/tools';
import type { Tool, ToolStatus } from '@tapo/tools';
import { fromAISDK } from '@tapo/tools/ai-sdk';
import { fromLangChain } from '@tapo/tools/langchain';
import { fromMastra } from '@tapo/tools/mastra';
import { fromMCP } from '@tapo/tools/mcp';
import { fromOpenAIAgents } from '@tapo/tools/openai-agents';
import { tool as aiTool } from 'ai';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
// the rollout package depends on this one: by path, not by name, so that no cycle of packages arises
import { rollout } from '../../rollout/src/index.js';
import { scriptedPolicy } from '../../rollout/test/scripted-policy.js';
import { everything } from './helpers/everything-server.js';
import { serveMcp } from './helpers/serve-mcp.js';

/** In [0, 1), the same for the same text. */
function chance(text: string): number {
  let hash = 2166136261;
  for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619);
  return (hash >>> 0) / 2 ** 32;
}

let hanging = 0;

/** Of all inputs 20% throw and 5% hang. */
async function moody(library: string, text: string): Promise<string> {
  const mood = chance(`mood of ${text}`);
  if (mood < 0.2) throw new Error(`${library} is in a mood`);
  if (mood < 0.25) {
    hanging += 1;
    await new Promise(() => {});
  }
  return `${library} heard ${text}`;
}

const description = 'Repeats.';
const schema = z.object({ text: z.string() });
let tools: Tool[];
let http: Awaited<ReturnType<typeof serveMcp>>;
beforeAll(async () => {
  const published = await fromMCP({ command: process.execPath, args: [everything] }, { include: ['echo'] });
  const server = new McpServer({ name: 'moody', version: '1' });
  server.registerTool('remote', { description, inputSchema: schema.shape }, async ({ text }) => ({
    content: [{ type: 'text', text: await moody('remote', text) }],
  }));
  http = await serveMcp(server);
  tools = [
    ...(await fromAISDK({
      ai: aiTool({ description, inputSchema: schema, execute: ({ text }) => moody('ai', text) }),
    })),
    ...fromLangChain([langChainTool(({ text }) => moody('chain', text), { name: 'chain', description, schema })]),
    ...fromOpenAIAgents([
      agentsTool({
        name: 'agent',
        description,
        parameters: schema,
        errorFunction: null,
        execute: ({ text }) => moody('agent', text),
      }),
    ]),
    ...fromMastra([
      createTool({
        id: 'mastra',
        description,
        inputSchema: schema,
        execute: async ({ context }) => moody('mastra', context.text),
      }),
    ]),
    ...(await fromMCP(http.url)).tools,
    ...published.tools,
  ];
});
afterAll(async () => {
  await closeTools(tools);
  http.close();
});

it('one rollout calls tools of five libraries, as text and as JSON', { timeout: 60_000 }, async () => {
  const script =
    '<ai>calm</ai><chain>{"text": "calm"}</chain><agent>{"text": 5}</agent><mastra>calm</mastra><echo>calm</echo><answer>42</answer>';
  const policy = scriptedPolicy(script);
  const trajectory = await rollout(policy.tokenizer.encode('Q'), { policy, tools, maxTurns: 5 });
  expect(trajectory.stopReason).toBe('answer');
  expect(
    trajectory.turns.flatMap(({ calls }) => calls.map(({ status, observation }) => [status, observation])),
  ).toEqual([
    ['ok', 'ai heard calm'],
    ['ok', 'chain heard calm'],
    ['refused', 'Invalid input for agent: text: must be string'],
    ['ok', 'mastra heard calm'],
    ['ok', 'Echo: calm'],
  ]);
});

it('64 rollouts over tools that fail and hang: none is lost, none waits for another', { timeout: 60_000 }, async () => {
  const names = ['ai', 'chain', 'agent', 'mastra', 'remote'];
  const [rollouts, toolTimeoutMs] = [64, 400];
  const textOf = (r: number, t: number) => `rollout ${r} turn ${t}`;
  // the time limits run out when this test says so
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const ended = new Set<number>();
  const running = Array.from({ length: rollouts }, async (_, r) => {
    const calls = names.map((name, t) => `<${name}>${textOf(r, t)}</${name}>`);
    const policy = scriptedPolicy(`${calls.join('')}<answer>${r}</answer>`);
    const options = { policy, tools, toolTimeoutMs, maxTurns: names.length, id: `r${r}` };
    const trajectory = await rollout(policy.tokenizer.encode('Q'), options);
    ended.add(r);
    return trajectory;
  });
  let [timedOut, rounds] = [0, 0];
  // what neither has ended nor hangs goes on by itself
  const goOn = () => ended.size + hanging - timedOut < rollouts;
  const standStill = async () => {
    while (goOn()) await new Promise((resolve) => setImmediate(resolve));
  };
  for (await standStill(); ended.size < rollouts; await standStill()) {
    timedOut = hanging;
    rounds += 1;
    await vi.advanceTimersByTimeAsync(toolTimeoutMs);
  }
  const trajectories = await Promise.all(running);

  const moods = Array.from({ length: rollouts }, (_, r) => names.map((__, t) => chance(`mood of ${textOf(r, t)}`)));
  const hangsOf = (row: number[]) => row.filter((mood) => mood >= 0.2 && mood < 0.25).length;
  const timeout = moods.reduce((sum, row) => sum + hangsOf(row), 0);
  const error = moods.flat().filter((mood) => mood < 0.2).length;
  expect(trajectories.map(({ stopReason }) => stopReason)).toEqual(moods.map(() => 'answer'));
  const counts: Record<ToolStatus, number> = { ok: 0, error: 0, timeout: 0, refused: 0 };
  for (const { turns } of trajectories)
    for (const { calls } of turns) for (const { status } of calls) counts[status] += 1;
  expect(counts).toEqual({ ok: rollouts * names.length - error - timeout, error, timeout, refused: 0 });
  // of 320 calls
  expect([error, timeout]).toEqual([62, 12]);
  // all together take as many time limits as the rollout that hangs most often
  expect(rounds).toBe(Math.max(...moods.map(hangsOf)));
});
