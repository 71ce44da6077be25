import { createTool } from '@mastra/core/tools';
import { callTool } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import { fromMastra } from '@tapo/tools/mastra';
import { expect, it } from 'vitest';
import { z } from 'zod';

const area = createTool({
  id: 'area',
  description: 'Area of a country.',
  inputSchema: z.object({ country: z.string().min(2) }),
  execute: async ({ context }, options) => {
    const { country } = context;
    if (country === 'Atlantis') throw new Error('no such country');
    if (country === 'Nowhere')
      await new Promise((_, reject) =>
        options?.abortSignal?.addEventListener('abort', () => reject(new Error('aborted'))),
      );
    return { country, area: country.length };
  },
});

toolConformance('Mastra tool', () => fromMastra({ area })[0]!, {
  test: it,
  cases: [
    { input: { country: 'Chad' }, observation: /^\{"country":"Chad","area":4\}$/ },
    { input: 'Mali', observation: '"area":4' },
    { input: { country: 'Atlantis' }, status: 'error', observation: 'The area tool failed: no such country' },
    { input: { country: 'x' }, status: 'refused', observation: 'country: must NOT have fewer than 2 characters' },
  ],
  slow: { input: { country: 'Nowhere' }, timeoutMs: 50 },
});

it('what Mastra’s own validation rejects is refused', async () => {
  const even = createTool({
    id: 'even',
    description: 'Even.',
    inputSchema: z.object({ n: z.number().refine((n) => n % 2 === 0, 'must be even') }),
    execute: async ({ context }) => context.n,
  });
  const { status, observation } = await callTool(fromMastra([even])[0]!, { n: 3 });
  expect(status).toBe('refused');
  expect(observation).toContain('must be even');
});

it('refuses what nobody here can run or approve', () => {
  expect(() => fromMastra([createTool({ id: 'idle', description: 'Idle.' })])).toThrow('tool idle has no execute');
  const risky = createTool({ id: 'risky', description: 'Risky.', requireApproval: true, execute: async () => 1 });
  expect(() => fromMastra([risky])).toThrow('tool risky needs approval');
});
