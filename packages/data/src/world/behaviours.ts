import { applyOperator, pythonInt } from '../arithmetic.js';
import type { Operator } from '../arithmetic.js';
import { complexTarget } from '../complex.js';
import type { FactOperator } from '../complex.js';
import type { Random } from '../random.js';
import { renderPrompt } from '../prompts.js';
import { madeUpArea, regions } from './made-up.js';
import { factFields, factOperators, worldProblem } from './tasks.js';
import type { FactField, WorldSource, WorldTask } from './tasks.js';
import { answer, code, search, think, toSegments } from './trace.js';
import type { DemonstrationSegment, TraceStep } from './trace.js';

/** What a demonstration shows. Everything but `right` leads to a wrong answer, or to a needless call. */
export type Behaviour =
  | 'right'
  /** claims to know, and makes something up */
  | 'guess'
  /** searches, then copies another field of the article */
  | 'wrong-field'
  | 'wrong-operator'
  | 'wrong-order'
  /** stops after one of two searches */
  | 'one-search'
  /** has both numbers and computes in the head */
  | 'mental-arithmetic'
  /** calls the interpreter for a single-digit sum */
  | 'needless-code';

/** Relative frequency of each behaviour. */
export type BehaviourWeights = Partial<Record<Behaviour, number>>;

export const wrongBehaviours: Record<WorldSource, BehaviourWeights> = {
  nq: { guess: 0.8, 'wrong-field': 0.2 },
  calculator: { guess: 0.8, 'wrong-operator': 0.2 },
  complex: { guess: 0.75, 'one-search': 0.08, 'mental-arithmetic': 0.08, 'wrong-operator': 0.05, 'wrong-order': 0.04 },
  // Mostly a needless call, seldom a wrong answer: what is to be learned here is to leave the tool alone.
  easy: { right: 0.2, guess: 0.2, 'needless-code': 0.6 },
};

/** The same number of digits, every one drawn anew; no leading zero. */
function scrambleDigits(text: string, random: Random): string {
  return text
    .replaceAll(/\d/g, () => String(random.integer(0, 9)))
    .replace(/^(-?)0(?=\d)/, (_, sign: string) => `${sign}${random.integer(1, 9)}`);
}

/** `print(a+b)`, or `print(round(a/b,2))` because Python prints sixteen digits of a quotient. */
function compute(a: number, operator: Operator, b: number): TraceStep[] {
  const program = operator === '/' ? `print(round(${a}/${b},2))` : `print(${a}${operator}${b})`;
  const printed = operator === '/' ? complexTarget(a, '/', b) : pythonInt(applyOperator(a, operator, b));
  return [...think('compute'), ...code(program, printed), ...answer(printed)];
}

type TaskOf<S extends WorldSource> = Extract<WorldTask, { source: S }>;

function fact(
  { country, field }: TaskOf<'nq'>,
  behaviour: Behaviour,
  random: Random,
  guessCapital: () => string,
): TraceStep[] {
  if (behaviour === 'guess') {
    const guesses: Record<FactField, () => string> = {
      capital: guessCapital,
      region: () => random.pick(regions),
      area: () => String(madeUpArea(random)),
    };
    return [...think('known'), ...answer(guesses[field]())];
  }
  const copied = behaviour === 'wrong-field' ? random.pick(factFields.filter((other) => other !== field)) : field;
  return [...think('find'), ...search(country), ...answer(String(country[copied]))];
}

function calculation({ a, operator, b }: TaskOf<'calculator'>, behaviour: Behaviour, random: Random): TraceStep[] {
  if (behaviour === 'guess') {
    const right = pythonInt(applyOperator(a, operator, b));
    return [...think('known'), ...answer(scrambleDigits(right, random))];
  }
  const operators = (['+', '-', '*'] as const).filter((other) => other !== operator);
  return compute(a, behaviour === 'wrong-operator' ? random.pick(operators) : operator, b);
}

function pair({ first, operator, second }: TaskOf<'complex'>, behaviour: Behaviour, random: Random): TraceStep[] {
  const scrambled = () => answer(scrambleDigits(complexTarget(first.area, operator, second.area), random));
  if (behaviour === 'guess') return [...think('known'), ...scrambled()];
  const oneSearch = [...think('find'), ...search(first)];
  if (behaviour === 'one-search') return [...oneSearch, ...answer(String(first.area))];
  const bothSearches = [...oneSearch, ...search(second)];
  if (behaviour === 'mental-arithmetic') return [...bothSearches, ...scrambled()];
  // swapping the terms of a sum is not wrong: another operator is
  if (behaviour === 'wrong-operator' || (behaviour === 'wrong-order' && operator === '+')) {
    const others: FactOperator[] = factOperators.filter((other) => other !== operator);
    return [...bothSearches, ...compute(first.area, random.pick(others), second.area)];
  }
  const [a, b] = behaviour === 'wrong-order' ? [second.area, first.area] : [first.area, second.area];
  return [...bothSearches, ...compute(a, operator, b)];
}

function easySum({ a, b }: TaskOf<'easy'>, behaviour: Behaviour, random: Random): TraceStep[] {
  if (behaviour === 'needless-code') return compute(a, '+', b);
  if (behaviour === 'guess') return [...think('known'), ...answer(pythonInt(random.integer(0, 18)))];
  return [...think('easy'), ...answer(pythonInt(a + b))];
}

/** The trace of one behaviour on one task; the first segment is the prompt in the `minimal` template. */
export function demonstrate(
  task: WorldTask,
  behaviour: Behaviour,
  random: Random,
  { guessCapital = () => 'unknown' }: { guessCapital?: () => string } = {},
): DemonstrationSegment[] {
  const steps = (): TraceStep[] => {
    switch (task.source) {
      case 'nq':
        return fact(task, behaviour, random, guessCapital);
      case 'calculator':
        return calculation(task, behaviour, random);
      case 'complex':
        return pair(task, behaviour, random);
      case 'easy':
        return easySum(task, behaviour, random);
    }
  };
  return toSegments(renderPrompt(worldProblem(task), { template: 'minimal' }), steps());
}
