import { applyOperator, pythonInt, pythonRound2 } from './arithmetic.js';
import type { Operator } from './arithmetic.js';
import type { Problem } from './problem.js';
import { createRandom } from './random.js';

/** One number to look up: "the area of Norway is 324 thousand km²". */
export interface Fact {
  subject: string;
  /** `area`, `population`, … */
  quantity: string;
  value: number;
  /** shown in sentence wording only */
  unit?: string;
}

/** Operations that combine two facts of one quantity. */
export type FactOperator = Extract<Operator, '+' | '-' | '/'>;

const words: Record<FactOperator, string> = { '+': 'plus', '-': 'minus', '/': 'divided by' };

/** What Python prints for the operation: integers as they are, everything else with two decimals. */
export function complexTarget(a: number, operator: FactOperator, b: number): string {
  const value = applyOperator(a, operator, b);
  return operator !== '/' && Number.isSafeInteger(value) ? pythonInt(value) : pythonRound2(value);
}

/**
 * Whether only the right computation scores. Under the `complex` rule (relative error < 5%) a question is unfair when
 * one of its numbers alone, another operation, or the other order comes within 10% of the gold answer: "Russia + Malta"
 * is answered by Russia. Quotients below 0.2 are out because two decimals no longer give them to 5%.
 */
export function isFairPair(a: number, operator: FactOperator, b: number): boolean {
  const gold = applyOperator(a, operator, b);
  if (!Number.isFinite(gold) || gold === 0 || (operator === '/' && gold < 0.2)) return false;
  const shortcuts: Record<string, number> = {
    a,
    b,
    'a+b': a + b,
    'a-b': a - b,
    'b-a': b - a,
    'a/b': a / b,
    'b/a': b / a,
  };
  return Object.entries(shortcuts).every(
    ([name, value]) => name === `a${operator}b` || Math.abs(value - gold) > 0.1 * Math.abs(gold),
  );
}

export interface ComplexOptions {
  seed?: number;
  operators?: readonly FactOperator[];
  /** `short`: "Area of Norway / area of Peru?"; `sentence`: "What is the area of Norway divided by the area of Peru (km2)?" */
  wording?: 'short' | 'sentence';
}

/** The question alone. */
export function complexQuestion(a: Fact, operator: FactOperator, b: Fact, wording: 'short' | 'sentence'): string {
  if (wording === 'sentence') {
    const unit = a.unit === undefined ? '' : ` (${a.unit})`;
    return `What is the ${a.quantity} of ${a.subject} ${words[operator]} the ${b.quantity} of ${b.subject}${unit}?`;
  }
  const capitalised = a.quantity.charAt(0).toUpperCase() + a.quantity.slice(1);
  return `${capitalised} of ${a.subject} ${operator} ${b.quantity} of ${b.subject}?`;
}

/**
 * An endless, seeded series of questions that need two facts and one operation, of data source `complex`. Pairs share
 * quantity and unit and are fair (`isFairPair`).
 *
 * @throws RangeError when no two of the facts make a fair question
 */
export function* generateComplex(
  facts: readonly Fact[],
  { seed = 0, operators = ['+', '-', '/'], wording = 'sentence' }: ComplexOptions = {},
): Generator<Problem, never> {
  const random = createRandom(seed, 'complex');
  const draw = (): { a: Fact; b: Fact; operator: FactOperator } => {
    for (let attempt = 0; attempt < 1000; attempt++) {
      const a = random.pick(facts);
      const b = random.pick(facts);
      const operator = random.pick(operators);
      const comparable = a.subject !== b.subject && a.quantity === b.quantity && a.unit === b.unit;
      if (comparable && isFairPair(a.value, operator, b.value)) return { a, b, operator };
    }
    throw new RangeError(
      `no fair pair in 1000 draws from ${facts.length} facts: wanted two subjects with the same quantity and unit, ` +
        'whose values differ but not by more than a factor of 5. Give more facts',
    );
  };
  for (let index = 0; ; index++) {
    const { a, b, operator } = draw();
    yield {
      id: `complex/${seed}/${index}`,
      question: complexQuestion(a, operator, b, wording),
      dataSource: 'complex',
      ability: 'facts and calculation',
      targets: [complexTarget(a.value, operator, b.value)],
    };
  }
}
