import { jsonProtocol, rollout, tagProtocol } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { array, assert, asyncProperty, constantFrom, integer } from 'fast-check';
import { expect, it } from 'vitest';
import { scriptedPolicy } from './scripted-policy.js';

const fragments = {
  tags: [
    ...'<think> </think> <search> </search> <code> </code> <answer> </answer> </Search>'.split(' '),
    ...'<response> </response> <eos> a bb c_d'.split(' '),
  ],
  json: [
    ...'<think> </think> <tool_call> </tool_call> <answer> </answer> <eos> { } " a'.split(' '),
    '<tool_call>{"name": "search", "arguments": {"input": "}"}}</tool_call>',
    '<tool_call>{"name": "python", "arguments": "x"}</tool_call>',
  ],
};
const tools: Tool<string>[] = [
  { name: 'search', description: '', execute: (query) => `found ${query}` },
  {
    name: 'python',
    tag: 'code',
    description: '',
    execute: () => {
      throw new Error('always');
    },
  },
];

it.each([
  ['tags', tagProtocol(tools)],
  ['json', jsonProtocol(tools)],
] as const)(
  'whatever the policy writes (%s): aligned arrays, exact masks, token in token out, every budget kept',
  async (format, protocol) => {
    const script = array(constantFrom(...fragments[format]), { maxLength: 40 }).map((parts) => parts.join(''));
    await assert(
      asyncProperty(script, integer({ min: 1, max: 200 }), integer({ min: 0, max: 4 }), async (...given) => {
        const [text, maxTokens, maxTurns] = given;
        const policy = scriptedPolicy(text);
        const prompt = policy.tokenizer.encode('Q?');
        const trajectory = await rollout(prompt, { policy, tools, protocol, maxTokens, maxTurns });
        const { tokens, lossMask, rolloutLogprobs, turns, stopReason } = trajectory;

        expect([lossMask.length, rolloutLogprobs.length]).toEqual([tokens.length, tokens.length]);
        expect(tokens.length).toBeLessThanOrEqual(Math.max(maxTokens, prompt.length));
        expect(tokens.slice(0, prompt.length)).toEqual(prompt);

        // mask 1 = exactly what the policy returned, in order, with its logprobs; 0 carries no logprob
        const at = (mask: number) => [...tokens.keys()].filter((index) => lossMask[index] === mask);
        const results = policy.log.map(({ result }) => result);
        expect(at(1).map((index) => tokens[index])).toEqual(results.flatMap((result) => result.tokens));
        expect(at(1).map((index) => rolloutLogprobs[index])).toEqual(results.flatMap((result) => result.logprobs));
        expect(at(0).every((index) => rolloutLogprobs[index] === 0)).toBe(true);

        // what is fed back is what was sampled: every request extends the one before it by its result
        let fed: number[] = [];
        for (const { request, result } of policy.log) {
          expect(request.tokens.slice(0, fed.length)).toEqual(fed);
          expect(request.tokens.length + request.maxTokens).toBe(maxTokens);
          fed = [...request.tokens, ...result.tokens];
          expect(tokens.slice(0, fed.length)).toEqual(fed);
        }

        // turns tile the sampled tokens
        expect(turns.flatMap(({ start, end }) => lossMask.slice(start, end)).every((mask) => mask === 1)).toBe(true);
        expect(turns.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(at(1).length);
        expect(turns.length).toBeLessThanOrEqual(maxTurns + 1);
        expect(['answer', 'length', 'turns']).toContain(stopReason);
        expect(stopReason !== 'turns' || turns.length === maxTurns + 1).toBe(true);
      }),
      { numRuns: 300 },
    );
  },
);
