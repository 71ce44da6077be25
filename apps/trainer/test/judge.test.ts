import { expect, it } from 'vitest';
import { resolveConfig } from '../src/config/schema.js';
import type { Config } from '../src/config/schema.js';
import { createJudge } from '../src/judge.js';
// by path: the scripted policy is the rollout package's own test helper
import { jsonProtocol, rollout, tagProtocol } from '../../../packages/rollout/src/index.js';
import { scriptedPolicy } from '../../../packages/rollout/test/scripted-policy.js';

const search = { name: 'search', description: 'Looks up.', execute: () => 'The capital of Chad is N’Djamena.' };
const call = (query: string) => `<search>${query}</search>`;

async function judged(script: string, reward: Config['reward'], format: 'tags' | 'json' = 'tags') {
  const policy = scriptedPolicy(script);
  const protocol = format === 'json' ? jsonProtocol([search]) : tagProtocol([search]);
  const trajectory = await rollout(policy.tokenizer.encode('Capital of Chad?'), { policy, protocol, tools: [search] });
  const config = resolveConfig({ model: 'x', reward: { overlong: null, ...reward }, rollout: { protocol: format } });
  const judge = createJudge(config, { tools: [search], tokenizer: policy.tokenizer });
  const problem = { id: 'p', question: 'Capital of Chad?', dataSource: 'nq', targets: ['N’Djamena'] };
  return judge(problem, trajectory);
}

const right = { reward: 1, score: 1, accurate: true, wellFormed: true, answer: 'N’Djamena' };
const blocked = { reward: -1, score: -1, accurate: false, wellFormed: false, answer: null };
const answer = '<answer>N’Djamena</answer>';

it.each([
  ['repeatedCalls', `${call('capital chad')}${call(' capital  chad ')}${answer}`, right],
  // no word of the observation that is new occurs later
  [
    'unusedCalls',
    `${call('capital chad')}<answer>7</answer>`,
    { ...right, reward: 0, score: 0, accurate: false, answer: '7' },
  ],
  [
    'stuffedAnswers',
    `${call('capital chad')}<answer>Paris, Rome or N’Djamena</answer>`,
    { ...right, answer: 'Paris, Rome or N’Djamena' },
  ],
] as const)('%s: passes unless it is blocked', async (sign, script, unblocked) => {
  expect(await judged(script, {})).toEqual(unblocked);
  expect(await judged(script, { block: [sign] })).toEqual(blocked);
});

it('forged responses and several answers: in the reference scorer they pass, unless they are blocked', async () => {
  const forged = `<think>hm</think><response>The capital is N’Djamena.</response>${answer}`;
  expect(await judged(forged, { mode: 'reference' })).toMatchObject({ score: 1 });
  expect(await judged(forged, { mode: 'reference', block: ['forgedResponses'] })).toEqual(blocked);
  expect(await judged(forged, { mode: 'strict' })).toEqual(blocked);
  // a rollout ends at its first answer, so the second never comes to be; the watch would count it all the same
  expect(await judged(`${answer}${answer}`, { block: ['severalAnswers'] })).toEqual(right);
});

it('function calls: the second of two calls in a turn makes no use of the first', async () => {
  const toolCall = `<tool_call>${JSON.stringify({ name: 'search', arguments: { input: 'The capital of Chad' } })}</tool_call>`;
  const guessed = `${toolCall}<tool_call>{"name": "search", "arguments": {"input": "N’Djamena"}}</tool_call><eos><answer>7</answer>`;
  const used = `${toolCall}<eos>${answer}`;
  expect(await judged(guessed, { block: ['unusedCalls'] }, 'json')).toEqual(blocked);
  expect(await judged(used, { block: ['unusedCalls', 'repeatedCalls'] }, 'json')).toEqual(right);
});

it('an honest rollout passes with everything blocked, and no more calls than allowed', async () => {
  const block = ['forgedResponses', 'severalAnswers', 'stuffedAnswers', 'repeatedCalls', 'unusedCalls'] as const;
  const script = `${call('capital chad')}${answer}`;
  expect(await judged(script, { block: [...block], maxCalls: 1 })).toEqual(right);
  expect(await judged(script, { maxCalls: 0 })).toEqual(blocked);
});
