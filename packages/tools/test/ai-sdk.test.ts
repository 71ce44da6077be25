import { callTool } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { fromAISDK, toAISDK } from '@tapo/tools/ai-sdk';
import { toolConformance } from '@tapo/tools/conformance';
import { createSearch } from '@tapo/tools/search';
import { generateText, jsonSchema, stepCountIs, tool } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { type } from 'arktype';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const weather = tool({
  description: 'Weather of a city.',
  inputSchema: z.object({ city: z.string().min(2), unit: z.enum(['C', 'F']).default('C') }),
  execute: async ({ city, unit }, { abortSignal }) => {
    if (city === 'Atlantis') throw new Error('no such city');
    if (city === 'Nowhere')
      await new Promise((_, reject) => abortSignal?.addEventListener('abort', () => reject(new Error('aborted'))));
    return { city, unit, degrees: 20 };
  },
});
const create = async (set: Parameters<typeof fromAISDK>[0]) => (await fromAISDK(set))[0]!;

toolConformance('AI SDK tool', () => create({ weather }), {
  test: it,
  cases: [
    { input: { city: 'Paris', unit: 'F' }, observation: /^\{"city":"Paris","unit":"F","degrees":20\}$/ },
    { input: '{"city": "Paris"}', observation: '"unit":"C"' },
    { input: 'Rome', observation: '"city":"Rome"' },
    { input: { city: 'Atlantis' }, status: 'error', observation: 'The weather tool failed: no such city' },
    {
      input: { city: 'Paris', unit: 'K' },
      status: 'refused',
      observation: 'unit: must be equal to one of the allowed values: ["C","F"]',
    },
  ],
  slow: { input: { city: 'Nowhere' }, timeoutMs: 50 },
});

describe('fromAISDK', () => {
  it('keeps names and descriptions, and makes tags of names that are none', async () => {
    const tools = await fromAISDK({ weather, 'weather/v2.1': weather });
    expect(tools.map(({ name, tag, description }) => [name, tag, description])).toEqual([
      ['weather', undefined, 'Weather of a city.'],
      ['weather/v2.1', 'weather_v2_1', 'Weather of a city.'],
    ]);
  });

  it('counts the last value of a streamed result', async () => {
    const streaming = tool({
      inputSchema: jsonSchema<{ n: number }>({
        type: 'object',
        properties: { n: { type: 'number' } },
        required: ['n'],
      }),
      async *execute({ n }) {
        for (let i = 1; i <= n; i++) yield `${i} of ${n}`;
      },
    });
    expect((await callTool(await create({ streaming }), { n: 3 })).observation).toBe('3 of 3');
  });

  it('shows results as toModelOutput has them', async () => {
    const inputSchema = z.object({});
    const text = tool({
      inputSchema,
      execute: () => 5,
      toModelOutput: ({ output }) => ({ type: 'text', value: `five: ${output}` }),
    });
    expect((await callTool(await create({ text }), {})).observation).toBe('five: 5');
    const failing = tool({
      inputSchema,
      execute: () => 5,
      toModelOutput: () => ({ type: 'error-text', value: 'Broken.' }),
    });
    expect(await callTool(await create({ failing }), {})).toMatchObject({ status: 'error', observation: 'Broken.' });
    const content = tool({
      inputSchema,
      execute: () => 5,
      toModelOutput: () => ({
        type: 'content',
        value: [
          { type: 'text', text: 'see' },
          { type: 'media', data: '', mediaType: 'image/png' },
        ],
      }),
    });
    expect((await callTool(await create({ content }), {})).observation).toBe('see\n[media]');
  });

  it('applies the library’s own refinements', async () => {
    const even = tool({
      inputSchema: z.object({ n: z.number().refine((n) => n % 2 === 0, 'must be even') }),
      execute: ({ n }) => n,
    });
    expect(await callTool(await create({ even }), { n: 3 })).toMatchObject({
      status: 'refused',
      observation: 'Invalid input for even: n: must be even',
    });
  });

  it('takes arktype schemas', async () => {
    const half = tool({ inputSchema: type({ n: 'number' }), execute: ({ n }) => n / 2 });
    expect((await callTool(await create({ half }), '{"n": 5}')).observation).toBe('2.5');
  });

  it('refuses what nobody here can run or approve', async () => {
    const inputSchema = z.object({ n: z.number() });
    await expect(fromAISDK({ client: tool({ inputSchema, outputSchema: z.string() }) })).rejects.toThrow(
      'tool client has no execute',
    );
    await expect(fromAISDK({ risky: tool({ inputSchema, execute: () => 1, needsApproval: true }) })).rejects.toThrow(
      'tool risky needs approval',
    );
    const sometimes = tool({ inputSchema, execute: ({ n }) => n, needsApproval: ({ n }) => n > 5 });
    expect(await callTool(await create({ sometimes }), { n: 3 })).toMatchObject({ status: 'ok', observation: '3' });
    expect(await callTool(await create({ sometimes }), { n: 7 })).toMatchObject({ status: 'refused' });
  });
});

describe('toAISDK', () => {
  const search = createSearch({ documents: [{ title: 'Chad', text: 'Chad lies in Africa.' }] });
  const broken: Tool = {
    name: 'broken',
    description: 'Fails.',
    execute: () => Promise.reject(new Error('out of order')),
  };

  /** A model that calls `toolName` and then repeats what it was told. */
  function callThenRepeat(toolName: string, input: unknown) {
    const usage = {
      inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 1, text: 1, reasoning: 0 },
    };
    return new MockLanguageModelV3({
      doGenerate: async ({ prompt }) => {
        const last = prompt.at(-1)!;
        if (last.role !== 'tool') {
          const call = { type: 'tool-call' as const, toolCallId: 'c1', toolName, input: JSON.stringify(input) };
          return {
            content: [call],
            finishReason: { unified: 'tool-calls' as const, raw: undefined },
            usage,
            warnings: [],
          };
        }
        const text = JSON.stringify(last.content.map((part) => (part.type === 'tool-result' ? part.output : part)));
        return {
          content: [{ type: 'text' as const, text }],
          finishReason: { unified: 'stop' as const, raw: undefined },
          usage,
          warnings: [],
        };
      },
    });
  }
  const generate = async (name: string, input: unknown) => {
    const tools = { search: toAISDK(search), broken: toAISDK(broken) };
    const { text } = await generateText({
      model: callThenRepeat(name, input),
      prompt: 'go',
      tools,
      stopWhen: stepCountIs(3),
    });
    return JSON.parse(text) as unknown;
  };

  it('serves generateText', async () => {
    expect(await generate('search', { input: 'Chad' })).toEqual([
      { type: 'text', value: 'Doc 1: Chad lies in Africa.' },
    ]);
  });

  it('a failure is an error there, with the observation as its text', async () => {
    expect(await generate('broken', { input: 'x' })).toEqual([
      { type: 'error-text', value: 'The broken tool failed: out of order' },
    ]);
    expect(await generate('search', { q: 1 })).toEqual([
      { type: 'error-text', value: 'Invalid input for search: wanted text, as {"input": "…"}.' },
    ]);
  });

  it('and back again is the same tool', async () => {
    const again = await create({ search: toAISDK(search) });
    expect((await callTool(again, 'Chad')).observation).toBe((await callTool(search, 'Chad')).observation);
  });
});
