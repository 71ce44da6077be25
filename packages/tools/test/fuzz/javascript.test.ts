import { callTool } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { createJavascript } from '@tapo/tools/javascript';
import { expect, it } from 'vitest';
import { createChoices } from './choices.js';
import { fuzz } from './fuzz.js';
import { JAVASCRIPT_CANARY, javascriptProgram } from './javascript-programs.js';

// a short run; bench/javascript-fuzz.ts has the long one, with programs that never end
it('programs made by a grammar leave no trace and break nothing', { timeout: 60_000 }, async () => {
  const tool = createJavascript({ concurrency: 1, timeLimitMs: 500 });
  const fresh = await callTool(tool as Tool, JAVASCRIPT_CANARY);
  const choices = createChoices(3);
  const { problems, counts } = await fuzz({
    tool,
    calls: 200,
    program: () => javascriptProgram(choices, { hogs: 0 }),
    canary: JAVASCRIPT_CANARY,
    isFresh: (observation) => observation === fresh.observation,
    kinds: /interpreter failed|Time limit|Memory limit|Recursion limit|SyntaxError/,
  });
  await tool.close?.();
  expect(problems).toEqual([]);
  expect(counts['interpreter failed']).toBeUndefined();
  // most of what the grammar makes runs, so that it can do harm
  expect(counts['ok']).toBeGreaterThan(100);
});
