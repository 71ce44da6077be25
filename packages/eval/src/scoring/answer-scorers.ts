import { editDistance } from './edit-distance.js';
import { distance, parseComplex } from './python-complex.js';
import type { Complex } from './python-complex.js';
import { isDigits, lastCharacters, stripSpace } from './python-text.js';

/** Score in [0, 1] of a prediction against one gold answer. Both are as written, not normalised. */
export type AnswerScorer = (prediction: string, target: string) => number;

/** Only so much of an answer is read, from its end. */
const READ_CHARACTERS = 100;

const NUMBER_WORDS = 'one two three four five six seven eight nine ten eleven twelve'.split(' ');

/** Trimmed, lower case, "one" to "twelve" as digits, no commas in numbers such as "1,234". */
export function normalizeAnswer(answer: string): string {
  const plain = stripSpace(answer).toLowerCase();
  const number = NUMBER_WORDS.indexOf(plain);
  if (number >= 0) return String(number + 1);
  const withoutCommas = plain.replaceAll(',', '');
  return isDigits(withoutCommas) ? withoutCommas : plain;
}

/** The part of an answer that is scored. */
export function readAnswer(answer: string): string {
  return lastCharacters(answer, READ_CHARACTERS);
}

/** Equal after normalisation. */
const exact: AnswerScorer = (prediction, target) => Number(normalizeAnswer(prediction) === normalizeAnswer(target));

/** 1 if the prediction contains the gold answer; else 1 − edit distance / longer length, if more than half agrees. */
const fact: AnswerScorer = (prediction, target) => {
  const [predicted, gold] = [normalizeAnswer(prediction), normalizeAnswer(target)];
  if (predicted.includes(gold)) return 1;
  const [a, b] = [Array.from(predicted), Array.from(gold)];
  const ratio = editDistance(a, b) / Math.max(a.length, b.length);
  return ratio < 0.5 ? 1 - ratio : 0;
};

/** Closer than 1e-3, numbers read as Python's `complex()` reads them. */
const calculator: AnswerScorer = (prediction, target) => {
  const gold = goldNumber(target, 'calculator');
  const predicted = parseComplex(normalizeAnswer(prediction));
  return Number(predicted !== undefined && distance(predicted, gold) < 1e-3);
};

/** Relative error below 5 %, of what is left when only digits, signs and points are kept. */
const complex: AnswerScorer = (prediction, target) => {
  const gold = goldNumber(target, 'complex');
  const kept = Array.from(normalizeAnswer(prediction)).filter(
    (character) => '+-.'.includes(character) || isDigits(character),
  );
  const predicted = parseComplex(kept.join(''));
  if (predicted === undefined) return 0;
  if (distance(gold) === 0) {
    throw new Error(
      `The gold answer "${target}" of a complex problem is 0: no relative error exists. Use calculator for it.`,
    );
  }
  return Number(distance(predicted, gold) / distance(gold) < 0.05);
};

const BUILT_IN: Readonly<Record<string, AnswerScorer>> = {
  default: exact,
  gsm8k: exact,
  dapo_math: exact,
  deep_math: exact,
  nq: fact,
  calculator,
  complex,
};

/**
 * The scorer of a data source: one of `custom`, else a built-in one.
 *
 * @throws if there is none; the message names the source and the known ones
 */
export function answerScorer(dataSource: string, custom: Readonly<Record<string, AnswerScorer>> = {}): AnswerScorer {
  if (Object.hasOwn(custom, dataSource)) return custom[dataSource] as AnswerScorer;
  if (Object.hasOwn(BUILT_IN, dataSource)) return BUILT_IN[dataSource] as AnswerScorer;
  if (dataSource.startsWith('aime')) return exact;
  const known = [...Object.keys(BUILT_IN), 'aime*', ...Object.keys(custom)].join(', ');
  throw new Error(
    `Unknown data source "${dataSource}". Known: ${known}. Rename it in the data, or give answerScorers: { "${dataSource}": (prediction, target) => … }.`,
  );
}

function goldNumber(target: string, dataSource: string): Complex {
  const gold = parseComplex(normalizeAnswer(target));
  if (!gold) throw new Error(`The gold answer "${target}" of a ${dataSource} problem is not a number; mend the data.`);
  return gold;
}
