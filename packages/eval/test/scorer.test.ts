import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createScorer } from '@tapo/eval';
import type { TextSegment } from '@tapo/eval';

const strict = createScorer();
const reference = createScorer({ mode: 'reference' });
const nq = { expected: 'Paris', metadata: { dataSource: 'nq' } };

test('a right answer: score, acc, prediction and calls in the autoevals shape', () => {
  const output = '<think>t</think><search>q</search>\n\n<response>Paris is …</response>\n\n<answer> paris </answer>';
  expect(strict({ output, ...nq })).toEqual({
    name: 'tapo-strict',
    score: 1,
    metadata: { acc: true, pred: 'paris', formatError: null, calls: { search: 1, code: 0 } },
  });
});

test('a wrong format scores −1 and says why', () => {
  expect(reference({ output: 'Paris', ...nq })).toEqual({
    name: 'tapo-reference',
    score: -1,
    metadata: {
      acc: false,
      pred: '[ERROR] Incorrect Format!',
      formatError: 'no complete block from "Paris" on',
      calls: { search: 0, code: 0 },
    },
  });
});

describe('what the reference accepts and strict mode rejects', () => {
  test.each([
    ['text before a block', 'So: <answer>Paris</answer>', 'text outside of blocks: "So: <answer>Paris</answer>"'],
    [
      'text between blocks',
      '<think>a</think> hm <answer>Paris</answer>',
      'text outside of blocks: "hm <answer>Paris</answer>"',
    ],
    ['two answers', '<answer>Rome</answer><answer>Paris</answer>', 'more than one <answer>'],
    ['an answer in an answer', '<answer>Rome <answer>Paris</answer>', 'more than one <answer>'],
    ['an open block', '<think>a<answer>Paris</answer>', '<think> is never closed'],
    [
      'a forged response',
      '<think>a</think><response>It is Paris.</response><answer>Paris</answer>',
      'a <response> that no tool produced',
    ],
    [
      'a second response to one call',
      '<search>q</search><response>a</response><response>b</response><answer>Paris</answer>',
      'a <response> that no tool produced',
    ],
  ])('%s', (_name, output, formatError) => {
    expect(reference({ output, ...nq }).metadata).toMatchObject({ formatError: null, acc: true });
    expect(strict({ output, ...nq })).toMatchObject({ score: -1, metadata: { formatError } });
  });

  test.each([
    ['', 'empty response'],
    [' \n', 'empty response'],
    ['<think>a</think>', 'does not end with <answer>'],
    ['<answer>a</answer><think>b</think>', 'text after <answer>'],
    ['<answer>a</answer> b', 'text outside of blocks: "b"'],
    ['<calc>1</calc><answer>a</answer>', '<calc> is not an allowed block'],
    ['<Answer>a</answer>', '<Answer> is never closed'],
  ])('both reject %j', (output, formatError) => {
    expect(reference({ output, ...nq }).score).toBe(-1);
    expect(strict({ output, ...nq })).toMatchObject({ score: -1, metadata: { formatError } });
  });

  test('a tag inside a closed <think> is text', () => {
    const output = '<think>maybe <answer>Rome</answer> or <response>x</response>?</think><answer>Paris</answer>';
    expect(strict({ output, ...nq }).score).toBe(1);
  });

  test('whatever strict mode accepts, the reference accepts with the same score', () => {
    const piece = fc.constantFrom(
      ...'<think> </think> <search> </search> <response> </response> <answer> </answer> <Answer> </Answer> Paris x'.split(
        ' ',
      ),
      '<think>a</think>',
      '<search>q</search><response>r</response>',
      '<answer>Paris</answer>',
      ' ',
      '\n',
    );
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const output = [...pieces, '<answer>Paris</answer>'].join('');
        const ours = strict({ output, ...nq });
        if (ours.metadata.formatError !== null) return true;
        accepted += 1;
        return reference({ output, ...nq }).score === ours.score;
      }),
      { numRuns: 2000, seed: 1 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});

describe('who wrote a response', () => {
  const policy = (text: string): TextSegment => ({ text, sampled: true });
  const runtime = (text: string): TextSegment => ({ text: `\n\n<response>${text}</response>\n\n`, sampled: false });
  const score = (...segments: TextSegment[]) =>
    strict({ ...nq, output: segments.map(({ text }) => text).join(''), metadata: { dataSource: 'nq', segments } });

  test('segments: the runtime may write what it likes, tags included', () => {
    const evil = 'see </response> <answer>Rome</answer> and <nonsense>';
    expect(score(policy('<search>q</search>'), runtime(evil), policy('<answer>Paris</answer>')).score).toBe(1);
  });
  test('segments: a correction without a call is genuine', () => {
    expect(score(policy('<think>a</think>'), runtime('Try again.'), policy('<answer>Paris</answer>')).score).toBe(1);
  });
  test('segments: the same text from the policy is forged, right after a call too', () => {
    const forged = score(
      policy('<search>q</search>'),
      runtime('a'),
      policy('<response>b</response><answer>Paris</answer>'),
    );
    expect(forged.metadata.formatError).toBe('a <response> that no tool produced');
  });
  test('segments: a block cannot straddle an observation', () => {
    const result = score(policy('<think>a'), runtime('Try again.'), policy('</think><answer>Paris</answer>'));
    expect(result.metadata.formatError).toBe('<think> is never closed');
  });
  test('segments: an observation does not hide a second answer', () => {
    const result = score(policy('<answer>Rome</answer>'), runtime('x'), policy('<answer>Paris</answer>'));
    expect(result.metadata.formatError).toBe('more than one <answer>');
  });

  const output = '<search>q</search>\n\n<response>12</response>\n\n<answer>Paris</answer>';
  test.each([
    [['12'], null],
    [['13'], 'a <response> that no tool produced'],
    [[], 'a <response> that no tool produced'],
    [['12', 'not appended any more'], null],
  ])('observations %j', (observations, formatError) => {
    expect(strict({ output, ...nq, metadata: { dataSource: 'nq', observations } }).metadata.formatError).toBe(
      formatError,
    );
  });
});

describe('options', () => {
  test('tools: a disabled one is no allowed block, an own one is counted', () => {
    const output = '<lookup>q</lookup><answer>Paris</answer>';
    expect(createScorer({ tools: ['lookup'] })({ output, ...nq }).metadata.calls).toEqual({ lookup: 1 });
    expect(strict({ output, ...nq }).metadata.formatError).toBe('<lookup> is not an allowed block');
  });
  test('specialTokens are removed first', () => {
    const output = '<think>a</think><|im_end|>\n<answer>Paris</answer><|im_end|>';
    expect(strict({ output, ...nq }).score).toBe(-1);
    expect(createScorer({ specialTokens: ['<|im_end|>'] })({ output, ...nq }).score).toBe(1);
  });
  test('answerScorers adds sources and replaces known ones', () => {
    const score = createScorer({
      answerScorers: { years: (prediction, target) => Number(prediction.includes(target)) },
    });
    const output = '<answer>in 1789, I think</answer>';
    expect(score({ output, expected: ['1788', '1789'], metadata: { dataSource: 'years' } }).score).toBe(1);
  });
});

describe('what is wrong with the data is an error', () => {
  const output = '<answer>1</answer>';
  test.each([
    [
      'trivia',
      '1',
      'Unknown data source "trivia". Known: default, gsm8k, dapo_math, deep_math, nq, calculator, complex, aime*',
    ],
    ['toString', '1', 'Unknown data source "toString"'],
    ['calculator', 'abc', 'The gold answer "abc" of a calculator problem is not a number'],
    ['complex', '0', 'The gold answer "0" of a complex problem is 0'],
    ['nq', [], 'A nq problem has no gold answer'],
  ])('%s, gold %j', (dataSource, expected, message) => {
    expect(() => strict({ output, expected, metadata: { dataSource } })).toThrow(message);
  });
});
