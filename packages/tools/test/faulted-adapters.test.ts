import { tool as langChainTool } from '@langchain/core/tools';
import { createTool } from '@mastra/core/tools';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { tool as agentsTool } from '@openai/agents';
import { closeTools } from '@tapo/tools';
import type { Tool, ToolStatus } from '@tapo/tools';
import { fromAISDK } from '@tapo/tools/ai-sdk';
import { fromLangChain } from '@tapo/tools/langchain';
import { fromMastra } from '@tapo/tools/mastra';
import { fromMCP } from '@tapo/tools/mcp';
import { fromOpenAIAgents } from '@tapo/tools/openai-agents';
import { tool as aiTool } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { rollout } from '../../rollout/src/index.js';
import { scriptedPolicy } from '../../rollout/test/scripted-policy.js';
import { serveMcp } from './helpers/serve-mcp.js';

const circular: Record<string, unknown> = { name: 'snake' };
circular['tail'] = circular;
const HUGE = 'long '.repeat(1_000_000);

/** What a tool may do wrong; `wrong type` is no number, which the tools promise where their library lets them. */
function misbehave(fault: string): unknown {
  if (fault === 'throw') throw new Error('out of order');
  // oxlint-disable-next-line no-throw-literal -- tools do it
  if (fault === 'throw nothing') throw undefined;
  if (fault === 'hang') return new Promise(() => {});
  const outputs = { circular, huge: HUGE, bigint: 5n, function: () => 5, 'wrong type': 'many' };
  return outputs[fault as keyof typeof outputs];
}

/** What the policy reads of it: the status, and the beginning of the observation. */
const expected: Record<string, [ToolStatus, string]> = {
  throw: ['error', 'The broken tool failed: out of order'],
  'throw nothing': ['error', 'The broken tool failed: undefined'],
  hang: ['timeout', 'The broken tool did not answer within 0.2 s.'],
  undefined: ['ok', 'The broken tool returned no result.'],
  circular: ['error', 'The broken tool failed: Converting circular structure to JSON'],
  huge: ['ok', 'long long long'],
  bigint: ['error', 'The broken tool failed: Do not know how to serialize a BigInt'],
  function: ['ok', 'The broken tool returned'],
  // none of these versions checks its output; what it says is text like any other
  'wrong type': ['ok', 'many'],
};
// of an MCP tool the server's SDK sees the faults first: it reports exceptions as `isError`, and hangs where it cannot
// write the result down
const expectedOfMcp: Record<string, [ToolStatus, string]> = {
  throw: ['error', 'out of order'],
  'throw nothing': ['error', 'undefined'],
  hang: expected['hang']!,
  undefined: ['ok', '{}'],
  circular: expected['hang']!,
  huge: ['ok', 'long long long'],
  bigint: expected['hang']!,
  function: ['ok', '{}'],
  'wrong type': ['error', 'The broken tool failed: MCP error -32602: Structured content does not match'],
};

const description = 'Misbehaves.';
const input = z.object({ fault: z.string() });

const libraries: Record<string, () => Promise<Tool[]>> = {
  'the AI SDK': () =>
    fromAISDK({
      broken: aiTool({
        description,
        inputSchema: input,
        outputSchema: z.number(),
        execute: ({ fault }) => misbehave(fault) as number,
      }),
    }),
  LangChain: async () =>
    fromLangChain([langChainTool(({ fault }) => misbehave(fault), { name: 'broken', description, schema: input })]),
  'OpenAI Agents': async () =>
    fromOpenAIAgents([
      agentsTool({
        name: 'broken',
        description,
        parameters: input,
        errorFunction: null,
        execute: ({ fault }) => misbehave(fault),
      }),
    ]),
  Mastra: async () =>
    fromMastra([
      createTool({
        id: 'broken',
        description,
        inputSchema: input,
        outputSchema: z.number(),
        execute: async ({ context }) => misbehave(context.fault) as number,
      }),
    ]),
  MCP: async () => {
    // the low-level server: the other one checks what it sends
    const server = new Server({ name: 'broken', version: '1' }, { capabilities: { tools: {} } });
    const outputSchema = { type: 'object' as const, properties: { count: { type: 'number' } } };
    const inputSchema = z.toJSONSchema(input) as { type: 'object' };
    server.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: [{ name: 'broken', description, inputSchema, outputSchema }],
    }));
    server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
      try {
        const count = await misbehave(String(params.arguments?.['fault']));
        const content = typeof count === 'string' ? [{ type: 'text' as const, text: count }] : [];
        return { content, structuredContent: count === HUGE ? {} : { count } };
      } catch (error) {
        return {
          content: [{ type: 'text', text: error instanceof Error ? error.message : String(error) }],
          isError: true,
        };
      }
    });
    const http = await serveMcp(server);
    const mcp = await fromMCP(http.url);
    const close = async () => {
      await mcp.close();
      http.close();
    };
    return mcp.tools.map((tool) => ({ ...tool, close }));
  },
};

describe.each(Object.keys(libraries))('a faulty tool of %s, in a rollout', (library) => {
  let tools: Tool[];
  beforeAll(async () => {
    tools = await libraries[library]!();
  });
  afterAll(() => closeTools(tools));

  it.each(Object.keys(expected))('%s', async (fault) => {
    const policy = scriptedPolicy(`<broken>${fault}</broken><answer>x</answer>`);
    const prompt = policy.tokenizer.encode('Q');
    const trajectory = await rollout(prompt, { policy, tools, toolTimeoutMs: 200, maxTokens: 20_000 });
    expect(trajectory.stopReason).toBe('answer');
    const [call, ...others] = trajectory.turns.flatMap(({ calls }) => calls);
    const [status, observation] = (library === 'MCP' ? expectedOfMcp : expected)[fault]!;
    expect(call).toMatchObject({ status, observation: expect.stringContaining(observation) });
    expect(others).toEqual([]);
    // one token per character
    expect(call!.observation.length).toBeLessThanOrEqual(2048);
  });
});
