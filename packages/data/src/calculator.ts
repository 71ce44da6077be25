import { applyOperator } from './arithmetic.js';
import type { Operator } from './arithmetic.js';
import type { Problem } from './problem.js';
import { createRandom } from './random.js';
import type { Random } from './random.js';

export interface CalculatorOptions {
  seed?: number;
  /** numbers per expression, at least 2 */
  operands?: number;
  operators?: readonly Operator[];
  /** digits per number: [fewest, most] */
  digits?: readonly [number, number];
  /** `short`: "123 * 45?"; `sentence`: "What is 123 * 45?" */
  wording?: 'short' | 'sentence';
}

interface Expression {
  text: string;
  value: number;
  /** false when the top operator binds looser than * and / */
  tight: boolean;
  /** every intermediate result is an exact integer, or a quotient of moderate size */
  exact: boolean;
}

const isExact = (value: number): boolean =>
  Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value) && Math.abs(value) < 1e9;

function randomExpression(
  operands: number,
  operators: readonly Operator[],
  [fewest, most]: readonly [number, number],
  random: Random,
): Expression {
  if (operands === 1) {
    const digits = random.integer(fewest, most);
    const value = random.integer(digits === 1 ? 0 : 10 ** (digits - 1), 10 ** digits - 1);
    return { text: String(value), value, tight: true, exact: true };
  }
  const leftOperands = random.integer(1, operands - 1);
  const left = randomExpression(leftOperands, operators, [fewest, most], random);
  const right = randomExpression(operands - leftOperands, operators, [fewest, most], random);
  const operator = random.pick(operators);
  const tight = operator === '*' || operator === '/';
  // a - (b + c) and a / (b * c) need their parentheses, (a + b) + c does not
  const leftText = tight && !left.tight ? `(${left.text})` : left.text;
  const rightText =
    operands - leftOperands > 1 && (tight || operator === '-' || !right.tight) ? `(${right.text})` : right.text;
  const value = applyOperator(left.value, operator, right.value);
  return {
    text: `${leftText} ${operator} ${rightText}`,
    value,
    tight,
    exact: left.exact && right.exact && isExact(value),
  };
}

/**
 * An endless, seeded series of sums to compute, of data source `calculator` (right when |Δ| < 1e-3). Integers are exact;
 * quotients are given to six decimals.
 *
 * @throws RangeError when the options leave no expression that doubles can compute exactly enough
 */
export function* generateCalculator({
  seed = 0,
  operands = 3,
  operators = ['+', '-', '*', '/'],
  digits = [1, 3],
  wording = 'sentence',
}: CalculatorOptions = {}): Generator<Problem, never> {
  const random = createRandom(seed, 'calculator');
  for (let index = 0; ; index++) {
    let expression = randomExpression(operands, operators, digits, random);
    for (let attempts = 1; !expression.exact; attempts++) {
      if (attempts === 1000) {
        throw new RangeError(
          `no usable expression in 1000 draws with operands ${operands}, operators ${operators.join(' ')}, ` +
            `digits ${digits.join(' to ')}: results exceed 2^53. Take fewer operands or digits`,
        );
      }
      expression = randomExpression(operands, operators, digits, random);
    }
    yield {
      id: `calculator/${seed}/${index}`,
      question: wording === 'short' ? `${expression.text}?` : `What is ${expression.text}?`,
      dataSource: 'calculator',
      ability: 'calculation',
      targets: [String(Number(expression.value.toFixed(6)))],
    };
  }
}
