import { tool } from '@openai/agents';
import { callTool } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import { fromOpenAIAgents } from '@tapo/tools/openai-agents';
import { expect, it } from 'vitest';
import { z } from 'zod';

const area = tool({
  name: 'area',
  description: 'Area of a country.',
  parameters: z.object({ country: z.string() }),
  errorFunction: null,
  execute: async ({ country }, context, details) => {
    if (country === 'Atlantis') throw new Error('no such country');
    if (country === 'Nowhere')
      await new Promise((_, reject) => details?.signal?.addEventListener('abort', () => reject(new Error('aborted'))));
    return `${country} has ${country.length} ${(context?.context as { unit?: string } | undefined)?.unit ?? 'km2'}`;
  },
});

toolConformance('OpenAI agents tool', () => fromOpenAIAgents([area])[0]!, {
  test: it,
  cases: [
    { input: { country: 'Chad' }, observation: /^Chad has 4 km2$/ },
    { input: 'Mali', observation: 'Mali has 4 km2' },
    { input: { country: 'Atlantis' }, status: 'error', observation: 'The area tool failed: ' },
    { input: { country: 7 }, status: 'refused', observation: 'country: must be string' },
  ],
  slow: { input: { country: 'Nowhere' }, timeoutMs: 50 },
});

it('hands the context on', async () => {
  const [adapted] = fromOpenAIAgents([area], { context: { unit: 'mi2' } });
  expect((await callTool(adapted!, 'Chad')).observation).toBe('Chad has 4 mi2');
});

it('refuses what needs approval, and hosted tools', async () => {
  const risky = tool({
    name: 'risky',
    description: 'Risky.',
    parameters: z.object({}),
    needsApproval: true,
    execute: () => 'done',
  });
  expect(await callTool(fromOpenAIAgents([risky])[0]!, {})).toMatchObject({ status: 'refused' });
  const hosted = { type: 'hosted_tool', name: 'web_search' } as never;
  expect(() => fromOpenAIAgents([hosted])).toThrow('got a tool of type hosted_tool');
});
