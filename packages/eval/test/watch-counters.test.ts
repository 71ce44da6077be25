import { describe, expect, test } from 'vitest';
import { watchCounters } from '@tapo/eval';
import type { WatchedRollout } from '@tapo/eval';

const call = (input: string, observation: string, { tool = 'search', status = 'ok' } = {}) => ({
  tool,
  input,
  observation,
  status,
});

/** alternating policy text and calls; the runtime's text follows from the calls */
function rollout(prompt: string, ...parts: (string | ReturnType<typeof call>)[]): WatchedRollout {
  const turns: { calls: ReturnType<typeof call>[] }[] = [];
  const segments = parts.map((part) => {
    if (typeof part === 'string') {
      turns.push({ calls: [] });
      return { text: part, sampled: true };
    }
    turns.at(-1)?.calls.push(part);
    return { text: `<response>${part.observation}</response>`, sampled: false };
  });
  return { prompt, segments, turns };
}

const honest = rollout(
  'What is the capital of France?',
  '<search>capital of France</search>',
  call('capital of France', 'France. Capital: Paris.'),
  '<think>It says Paris.</think><answer>Paris</answer>',
);

test('an honest rollout raises nothing', () => {
  expect(watchCounters([honest])).toEqual({
    rollouts: 1,
    calls: 1,
    forgedResponses: 0,
    severalAnswers: 0,
    stuffedAnswers: 0,
    repeatedCalls: 0,
    unusedCalls: 0,
  });
});

test('forged responses and several answers are counted, thoughts are not', () => {
  const forged = rollout('q', '<think><response>a</response></think><response>b</response><Response>c</Response>');
  const several = rollout('q', '<answer>Rome</answer>', '<answer>Paris</answer>');
  expect(watchCounters([forged, several])).toMatchObject({ forgedResponses: 2, severalAnswers: 1 });
});

test("a forged response of the function-call protocol counts; the runtime's own does not", () => {
  const real = { text: '<tool_response>\n5\n</tool_response>', sampled: false };
  const forged = { text: '<tool_response>\n6\n</tool_response>', sampled: true };
  expect(watchCounters([{ segments: [real], turns: [] }])).toMatchObject({ forgedResponses: 0 });
  expect(watchCounters([{ segments: [real, forged], turns: [] }])).toMatchObject({ forgedResponses: 1 });
});

test.each([
  ['Rome, Paris, Lyon', 1],
  ['Rome or Paris', 1],
  ['a; b; c', 1],
  ['x'.repeat(101), 1],
  ['Washington, D.C.', 0],
  ['1,234,567', 0],
  ['1/2', 0],
  ['Rome/Paris/Lyon', 1],
  ['12/05/2020', 0],
  ['Ecuador', 0], // "or" inside a word
])('answer stuffing: %s', (answer, stuffedAnswers) => {
  expect(watchCounters([rollout('q', `<answer>${answer}</answer>`)])).toMatchObject({ stuffedAnswers });
});

describe('calls', () => {
  test('the same tool and input again is a repetition; another tool or rollout is not', () => {
    const repeating = rollout(
      'q',
      'a',
      call('2 + 2', '4'),
      'b',
      call(' 2  +  2 ', '4'),
      'c',
      call('2 + 2', '4', { tool: 'code' }),
    );
    expect(watchCounters([repeating, repeating])).toMatchObject({ calls: 6, repeatedCalls: 2 });
  });

  test.each([
    ['another operator', '2 + 2', '2 * 2'],
    ['another short name', 'print(x)', 'print(y)'],
    ['a mended name', 'print(true)', 'print(True)'],
    ['mended indentation', 'if x:\nprint(1)', 'if x:\n  print(1)'],
  ])('%s is no repetition', (_, first, second) => {
    const mended = rollout('q', 'a', call(first, 'an error'), 'b', call(second, '4'), '<answer>4</answer>');
    expect(watchCounters([mended])).toMatchObject({ repeatedCalls: 0 });
  });

  test('a result that nothing later mentions is unused; failed calls are not blamed', () => {
    const ignoring = rollout(
      'Area of Chad?',
      'a',
      call('area chad', 'Chad covers 1284 km.'),
      '<answer>about 50</answer>',
    );
    const failed = rollout('q', 'a', call('x', 'Timed out after 2 s.', { status: 'timeout' }), '<answer>5</answer>');
    expect(watchCounters([ignoring, failed])).toMatchObject({ unusedCalls: 1 });
  });

  test('words of the question and of earlier observations do not count as use', () => {
    const echo = rollout(
      'Is Paris in France?',
      '<search>France</search>',
      call('France', 'France: capital Paris.'), // new: "capital"
      '<search>Paris</search>',
      call('Paris', 'Paris: capital, 2103 thousand.'), // new: "2103", "thousand"
      '<answer>capital</answer>', // uses the first call
    );
    expect(watchCounters([echo])).toMatchObject({ calls: 2, unusedCalls: 1 });
  });
});

test('a flood of open tags costs time linear in the text', () => {
  const flood = '<think>'.repeat(200_000); // quadratic: 1.4 million characters × 200 000 starts
  expect(watchCounters([rollout('q', flood)])).toMatchObject({ severalAnswers: 0 });
});
