import { createTool } from '@mastra/core/tools';
import { tool as langChainTool } from '@langchain/core/tools';
import { tool as agentsTool } from '@openai/agents';
import { closeTools } from '@tapo/tools';
import type { Tool, ToolStatus } from '@tapo/tools';
import { fromAISDK } from '@tapo/tools/ai-sdk';
import { fromLangChain } from '@tapo/tools/langchain';
import { fromMastra } from '@tapo/tools/mastra';
import { fromMCP } from '@tapo/tools/mcp';
import { fromOpenAIAgents } from '@tapo/tools/openai-agents';
import { tool as aiTool } from 'ai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
// the rollout package depends on this one: by path, not by name, so that no cycle of packages arises
import { rollout } from '../../rollout/src/index.js';
import { scriptedPolicy } from '../../rollout/test/scripted-policy.js';
import { everything } from './helpers/everything-server.js';

/** In [0, 1), the same for the same text. */
function chance(text: string): number {
  let hash = 2166136261;
  for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 16777619);
  return (hash >>> 0) / 2 ** 32;
}

/** Of all inputs 20% throw and 5% hang. */
async function moody(library: string, text: string): Promise<string> {
  const mood = chance(`mood of ${text}`);
  if (mood < 0.2) throw new Error(`${library} is in a mood`);
  if (mood < 0.25) await new Promise(() => {});
  return `${library} heard ${text}`;
}

const description = 'Repeats.';
const schema = z.object({ text: z.string() });
let tools: Tool[];
beforeAll(async () => {
  const mcp = await fromMCP({ command: process.execPath, args: [everything] }, { include: ['echo'] });
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
    ...mcp.tools,
  ];
});
afterAll(() => closeTools(tools));

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

it(
  '64 rollouts over tools that fail and hang: none is lost, every failure is counted',
  { timeout: 60_000 },
  async () => {
    const [names, turns, toolTimeoutMs] = [['ai', 'chain', 'agent', 'mastra'], 4, 400];
    const started = performance.now();
    const trajectories = await Promise.all(
      Array.from({ length: 64 }, (_, r) => {
        const calls = names.slice(0, turns).map((name, t) => `<${name}>rollout ${r} turn ${t}</${name}>`);
        const policy = scriptedPolicy(`${calls.join('')}<answer>${r}</answer>`);
        return rollout(policy.tokenizer.encode('Q'), { policy, tools, toolTimeoutMs, id: `r${r}` });
      }),
    );
    const wallMs = performance.now() - started;

    expect(trajectories.map(({ stopReason }) => stopReason)).toEqual(Array.from({ length: 64 }, () => 'answer'));
    const counts: Record<ToolStatus, number> = { ok: 0, error: 0, timeout: 0, refused: 0 };
    for (const { turns: played } of trajectories)
      for (const { calls } of played) for (const { status } of calls) counts[status] += 1;
    const moods = Array.from({ length: 64 * turns }, (_, i) =>
      chance(`mood of rollout ${Math.floor(i / turns)} turn ${i % turns}`),
    );
    const error = moods.filter((mood) => mood < 0.2).length;
    const timeout = moods.filter((mood) => mood >= 0.2 && mood < 0.25).length;
    expect(counts).toEqual({ ok: 256 - error - timeout, error, timeout, refused: 0 });
    expect(error).toBeGreaterThan(30);
    expect(timeout).toBeGreaterThan(5);
    // one after the other the hanging calls alone take timeout · 400 ms; together, the worst rollout's, at most 4 · 400 ms
    expect(wallMs).toBeLessThan(Math.max(turns * toolTimeoutMs, (timeout * toolTimeoutMs) / 2));
  },
);
