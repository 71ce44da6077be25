import { tool } from '@langchain/core/tools';
import { callTool } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import { fromLangChain } from '@tapo/tools/langchain';
import { expect, it } from 'vitest';
import { z } from 'zod';

const area = tool(
  async ({ country }: { country: string }, config: { signal?: AbortSignal }) => {
    if (country === 'Atlantis') throw new Error('no such country');
    if (country === 'Nowhere')
      await new Promise((_, reject) => config.signal?.addEventListener('abort', () => reject(new Error('aborted'))));
    return `${country} has ${country.length} km2`;
  },
  { name: 'area', description: 'Area of a country.', schema: z.object({ country: z.string().min(2) }) },
);

toolConformance('LangChain tool', () => fromLangChain([area])[0]!, {
  test: it,
  cases: [
    { input: { country: 'Chad' }, observation: /^Chad has 4 km2$/ },
    { input: 'Mali', observation: 'Mali has 4 km2' },
    { input: { country: 'Atlantis' }, status: 'error', observation: 'The area tool failed: no such country' },
    { input: { country: 'x' }, status: 'refused', observation: 'country: must NOT have fewer than 2 characters' },
    { input: { nation: 'Chad' }, status: 'refused', observation: "must have required property 'country'" },
  ],
  slow: { input: { country: 'Nowhere' }, timeoutMs: 50 },
});

it('takes a JSON Schema, and shows content blocks and objects', async () => {
  const schema = { type: 'object', properties: { kind: { type: 'string' } }, required: ['kind'] } as const;
  const results: Record<string, unknown> = {
    blocks: [
      { type: 'text', text: 'a' },
      { type: 'image_url', image_url: 'x' },
    ],
    list: [1, 2],
    object: { a: 1 },
  };
  const any = tool((input) => results[(input as { kind: string }).kind], { name: 'any', description: 'Any.', schema });
  const [adapted] = fromLangChain([any]);
  expect((await callTool(adapted!, { kind: 'blocks' })).observation).toBe('a\n[image_url]');
  expect((await callTool(adapted!, { kind: 'list' })).observation).toBe('[1,2]');
  expect((await callTool(adapted!, { kind: 'object' })).observation).toBe('{"a":1}');
});

it('shows the content of content-and-artifact tools', async () => {
  const both = tool(() => ['shown', { hidden: 1 }], {
    name: 'both',
    description: 'Both.',
    schema: z.object({}),
    responseFormat: 'content_and_artifact',
  });
  expect((await callTool(fromLangChain([both])[0]!, {})).observation).toBe('shown');
});
