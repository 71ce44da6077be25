import { describe, expect, it } from 'vitest';
import { generateCalculator, generateComplex } from '@tapo/data';
import type { Fact, Problem } from '@tapo/data';

function take(generator: Generator<Problem, never>, count: number): Problem[] {
  return Array.from({ length: count }, () => generator.next().value);
}

/** JavaScript agrees with Python on + - * / and parentheses over doubles. */
const evaluate = (expression: string): number => {
  expect(expression).toMatch(/^[\d+\-*/(). ]+$/);
  // oxlint-disable-next-line no-implied-eval -- an independent evaluator of what the generator wrote
  return Number(new Function(`return (${expression})`)());
};

describe('generateCalculator', () => {
  it('asks what its target answers', () => {
    for (const operands of [2, 3, 5]) {
      for (const { question, targets, dataSource } of take(generateCalculator({ seed: 3, operands }), 200)) {
        const expression = /^What is (.+)\?$/.exec(question)?.[1] ?? '';
        expect(dataSource).toBe('calculator');
        expect(Math.abs(evaluate(expression) - Number(targets[0]))).toBeLessThan(1e-3);
        expect(expression.match(/\d+/g)).toHaveLength(operands);
      }
    }
  });

  it('keeps to operators, digits and wording', () => {
    const options = { operands: 2, operators: ['*'], digits: [3, 3], wording: 'short' } as const;
    for (const { question } of take(generateCalculator(options), 50)) expect(question).toMatch(/^\d{3} \* \d{3}\?$/);
  });

  it('is a function of the seed', () => {
    const questions = (seed: number) => take(generateCalculator({ seed }), 20).map(({ question }) => question);
    expect(questions(1)).toEqual(questions(1));
    expect(questions(1)).not.toEqual(questions(2));
  });

  it('says so when no exact result is possible', () => {
    // products of four 9-digit numbers exceed 2^53
    const impossible = generateCalculator({ operands: 4, operators: ['*'], digits: [9, 9] });
    expect(() => impossible.next()).toThrow(/2\^53/);
  });
});

describe('generateComplex', () => {
  const area = (subject: string, value: number): Fact => ({ subject, quantity: 'area', value, unit: 'thousand km2' });

  it('words a question over two facts', () => {
    const [problem] = take(generateComplex([area('Norway', 324), area('Peru', 1285)], { operators: ['+'] }), 1);
    // 324 + 1285 = 1609
    expect(problem).toMatchObject({ dataSource: 'complex', targets: ['1609'] });
    expect(problem?.question).toMatch(
      /^What is the area of (Norway|Peru) plus the area of (Norway|Peru) \(thousand km2\)\?$/,
    );
  });

  it('gives quotients as Python prints them: two decimals, ties to even', () => {
    // 5/8 = 0.625 is a tie: 0.62 (toFixed would say 0.63); 8/5 = 1.6
    const answers = take(generateComplex([area('A', 5), area('B', 8)], { operators: ['/'], wording: 'short' }), 30);
    expect(Object.fromEntries(answers.map(({ question, targets }) => [question, targets[0]]))).toEqual({
      'Area of A / area of B?': '0.62',
      'Area of B / area of A?': '1.6',
    });
    // 8/4 = 2 is printed as 2.0; 4/8 = 0.5
    const whole = take(generateComplex([area('A', 8), area('B', 4)], { operators: ['/'], wording: 'short' }), 30);
    expect(new Set(whole.flatMap(({ targets }) => targets))).toEqual(new Set(['2.0', '0.5']));
  });

  it('asks nothing that a shortcut answers, or that has no comparable facts', () => {
    // 17098 + 1 = 17099: Russia alone is right to 5%
    expect(() => generateComplex([area('Russia', 17098), area('Samoa', 1)], { operators: ['+'] }).next()).toThrow(
      /no fair pair/,
    );
    const people: Fact = { subject: 'Peru', quantity: 'population', value: 34 };
    expect(() => generateComplex([area('Norway', 324), people]).next()).toThrow(/no fair pair/);
  });
});
