import { applyOperator, pythonInt } from '../arithmetic.js';
import { complexQuestion, complexTarget } from '../complex.js';
import type { FactOperator } from '../complex.js';
import type { Problem } from '../problem.js';
import type { AskedCountry } from './countries.js';
import type { EasyQuestion } from './splits.js';

/**
 * `nq`: a fact to search for. `calculator`: a sum or product to compute. `complex`: two facts and one computation.
 * `easy`: a single-digit sum that needs no tool (scored as `default`).
 */
export type WorldSource = 'nq' | 'calculator' | 'complex' | 'easy';

export const worldSources: readonly WorldSource[] = ['nq', 'calculator', 'complex', 'easy'];

export type FactField = 'capital' | 'region' | 'area';

/** A question before it is worded: what demonstrations are made from. */
export type WorldTask =
  | { source: 'nq'; country: AskedCountry; field: FactField }
  | { source: 'calculator'; a: number; operator: '+' | '*'; b: number }
  | { source: 'complex'; first: AskedCountry; operator: FactOperator; second: AskedCountry }
  | ({ source: 'easy' } & EasyQuestion);

export const factOperators: readonly FactOperator[] = ['+', '-', '/'];

export const factFields: readonly FactField[] = ['capital', 'region', 'area'];

/**
 * Whether a fact cannot be had without searching, under the `nq` rule (the gold answer anywhere in the prediction): the
 * capital must not echo the country (Tunis is in "Tunisia"), and short numbers, which occur in longer ones by chance,
 * are not asked for. A region can be guessed, one time in five.
 */
export function isFairFact(country: Pick<AskedCountry, 'name' | 'capitals' | 'area'>, field: FactField): boolean {
  if (field === 'area') return country.area >= 100;
  if (field === 'region') return true;
  const name = country.name.toLowerCase();
  return country.capitals.every(
    (capital) => !name.includes(capital.toLowerCase()) && !capital.toLowerCase().includes(name),
  );
}

const capitalise = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** The task as a problem; a country may be made up. */
export function worldProblem(task: WorldTask): Problem {
  const { source } = task;
  switch (source) {
    case 'nq': {
      const { country, field } = task;
      return {
        id: `world/nq/${field}/${country.code}`,
        question: `${capitalise(field)} of ${country.name}?`,
        dataSource: 'nq',
        ability: 'facts',
        targets: field === 'capital' ? [...country.capitals] : [String(country[field])],
        metadata: { source, countries: [country.code] },
      };
    }
    case 'calculator': {
      const { a, operator, b } = task;
      return {
        id: `world/calculator/${a}${operator}${b}`,
        question: `${a} ${operator} ${b}?`,
        dataSource: 'calculator',
        ability: 'calculation',
        targets: [pythonInt(applyOperator(a, operator, b))],
        metadata: { source },
      };
    }
    case 'complex': {
      const { first, operator, second } = task;
      const fact = ({ name, area }: AskedCountry) => ({ subject: name, quantity: 'area', value: area });
      return {
        id: `world/complex/${first.code}${operator}${second.code}`,
        question: complexQuestion(fact(first), operator, fact(second), 'short'),
        dataSource: 'complex',
        ability: 'facts and calculation',
        targets: [complexTarget(first.area, operator, second.area)],
        metadata: { source, countries: [first.code, second.code] },
      };
    }
    case 'easy': {
      const { question, a, b } = task;
      return {
        id: `world/easy/${question.slice(0, -1).replaceAll(' ', '_')}`,
        question,
        dataSource: 'default',
        ability: 'easy',
        targets: [pythonInt(a + b)],
        metadata: { source },
      };
    }
  }
}
