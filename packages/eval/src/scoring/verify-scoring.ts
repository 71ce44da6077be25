import { checkReferenceFormat } from './format.js';
import { createScorer } from './scorer.js';

export interface ScoringMismatch {
  section: 'format' | 'answers';
  /** case of the section, from 0 */
  index: number;
  message: string;
}

export interface ScoringVerification {
  /** cases compared: format, answers */
  cases: { format: number; answers: number };
  /** largest |score − expected score| */
  deviation: number;
  tolerance: number;
  mismatches: ScoringMismatch[];
  passed: boolean;
}

interface FormatCase {
  text: string;
  expected: { tool_call: Record<string, number>; answer: string } | null;
  error: string | null;
}

interface AnswerCase {
  dataSource: string;
  answer: string;
  groundTruth: string | string[];
  expected: { score: number; acc: boolean; pred: string; search: number; code: number } | null;
  error: string | null;
}

const TOLERANCE = 1e-12;

/**
 * Checks the `reference` mode against a file `{format: [{text, expected, error}], answers: [{dataSource, answer,
 * groundTruth, expected, error}]}`. Answers are scored inside `<think>t</think><answer>…</answer>`. Where the reference
 * raises IndexError (empty text) a format error is wanted, where it raises anything else an exception is.
 *
 * @throws if the file is not of this form; the message names section and case
 */
export function verifyScoring(contents: string): ScoringVerification {
  const { format, answers } = parseFile(contents);
  const mismatches: ScoringMismatch[] = [];
  let deviation = 0;

  format.forEach(({ text, expected, error }, index) => {
    const wanted = expected ?? 'a format error';
    const result = checkReferenceFormat(text, ['search', 'code']);
    const got =
      result.formatError === undefined ? { tool_call: result.calls, answer: result.answer } : 'a format error';
    const message = differs(got, error === null || error === 'IndexError' ? wanted : `an exception like ${error}`);
    if (message) mismatches.push({ section: 'format', index, message });
  });

  const score = createScorer({ mode: 'reference' });
  answers.forEach(({ dataSource, answer, groundTruth, expected, error }, index) => {
    const fail = (message: string): number => mismatches.push({ section: 'answers', index, message });
    const output = `<think>t</think><answer>${answer}</answer>`;
    try {
      const result = score({ output, expected: groundTruth, metadata: { dataSource } });
      const { acc, pred, calls } = result.metadata;
      if (error !== null || expected === null)
        return fail(`got score ${result.score}, wanted an exception like ${error}`);
      const gap = Math.abs(result.score - expected.score);
      deviation = Math.max(deviation, Number.isNaN(gap) ? Infinity : gap);
      if (!(gap <= TOLERANCE)) return fail(`got score ${result.score}, wanted ${expected.score}`);
      const { score: _score, ...rest } = expected;
      const message = differs({ acc, pred, ...calls }, rest);
      return message && fail(message);
    } catch (cause) {
      return (
        error === null && fail(`got an exception (${(cause as Error).message}), wanted ${JSON.stringify(expected)}`)
      );
    }
  });
  const cases = { format: format.length, answers: answers.length };
  return { cases, deviation, tolerance: TOLERANCE, mismatches, passed: mismatches.length === 0 };
}

/** undefined if equal whatever the order of keys */
function differs(got: unknown, wanted: unknown): string | undefined {
  const [a, b] = [got, wanted].map((value) => JSON.stringify(value, sortKeys));
  return a === b ? undefined : `got ${a}, wanted ${b}`;
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function parseFile(contents: string): { format: FormatCase[]; answers: AnswerCase[] } {
  const file = JSON.parse(contents) as { format?: FormatCase[]; answers?: AnswerCase[] };
  const { format = [], answers = [] } = file;
  if (!Array.isArray(format) || !Array.isArray(answers) || format.length + answers.length === 0) {
    throw new Error('Golden file: wanted {"format": [...], "answers": [...]} with at least one case.');
  }
  format.forEach((item, index) => {
    if (typeof item?.text !== 'string') throw new Error(`Golden file: format case ${index}: text: wanted a string.`);
  });
  answers.forEach((item, index) => {
    const { dataSource, answer, groundTruth } = item ?? {};
    if (
      typeof dataSource !== 'string' ||
      typeof answer !== 'string' ||
      !(typeof groundTruth === 'string' || Array.isArray(groundTruth))
    ) {
      throw new Error(
        `Golden file: answers case ${index}: wanted dataSource, answer (texts) and groundTruth (text or list).`,
      );
    }
  });
  return { format, answers };
}
