import type { Tool } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import type { ToolConformanceOptions } from '@tapo/tools/conformance';
import { describe, expect, it } from 'vitest';

const shout = (more: Partial<Tool> = {}): Tool => ({
  name: 'shout',
  description: 'Repeats the text in capitals.',
  execute: (input, { signal }) =>
    input === 'slow'
      ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      : String(input).toUpperCase(),
  ...more,
});

toolConformance('shout', () => shout(), {
  test: it,
  cases: [
    { input: 'abc', observation: 'ABC' },
    { input: 'xyz', observation: /^XYZ$/ },
    { input: '', status: 'refused', observation: 'empty' },
  ],
  slow: { input: 'slow', timeoutMs: 20 },
});

/** Runs the suite on a tool by hand and names the tests that failed. */
async function failures(tool: Tool, options: Partial<ToolConformanceOptions> = {}): Promise<string[]> {
  const tests: [string, () => Promise<void>][] = [];
  const cases = options.cases ?? [{ input: 'abc', observation: 'ABC' }];
  toolConformance('t', () => tool, { test: (...test) => tests.push(test), timeoutMs: 50, ...options, cases });
  const failed: string[] = [];
  for (const [name, run] of tests) await run().catch(() => failed.push(name.slice('t: '.length)));
  return failed;
}

describe('the suite itself catches', () => {
  it('nothing in a good tool', async () => {
    expect(await failures(shout())).toEqual([]);
  });

  it('a name that cannot be a tag', async () => {
    expect(await failures(shout({ name: 'two words' }))).toEqual(['has a name that can be a tag, and a description']);
  });

  it('a wrong answer', async () => {
    expect(await failures(shout({ execute: () => 'no' }))).toContain('abc gives ok');
  });

  it('answers that change', async () => {
    let count = 0;
    const counting = shout({ execute: () => `ABC ${count++}` });
    expect(await failures(counting)).toEqual(['gives the same answer again']);
    expect(await failures(counting, { deterministic: false })).toEqual([]);
  });

  it('concurrent calls that get each other’s answers', async () => {
    let last = '';
    const mixing = shout({
      execute: async (input) => {
        last = String(input);
        await new Promise((resolve) => setTimeout(resolve, 5));
        return last.toUpperCase();
      },
    });
    const cases = [
      { input: 'abc', observation: 'ABC' },
      { input: 'xyz', observation: 'XYZ' },
    ];
    expect(await failures(mixing, { cases })).toEqual(['answers concurrent calls, each with its own answer']);
  });

  it('a tool that breaks after a cancelled call', async () => {
    let broken = false;
    const fragile = shout({
      execute: (input, { signal }) => {
        signal.addEventListener('abort', () => (broken = true));
        if (broken) throw new Error('broken');
        return new Promise((resolve) => setTimeout(() => resolve(String(input).toUpperCase()), 5));
      },
    });
    expect(await failures(fragile)).toContain('ends at once when its caller gives up, and works afterwards');
  });

  it('a second close that throws', async () => {
    let closed = false;
    const close = async () => {
      if (closed) throw new Error('closed already');
      closed = true;
    };
    expect(await failures(shout({ close }))).toEqual(['ends rollouts it never saw, and can be closed twice']);
  });

  it('a suite without a successful case', async () => {
    const cases = [{ input: '', status: 'refused', observation: 'empty' } as const];
    await expect(failures(shout(), { cases })).rejects.toThrow('wanted at least one');
  });
});
