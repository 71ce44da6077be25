import { answerScorer, readAnswer } from './answer-scorers.js';
import type { AnswerScorer } from './answer-scorers.js';
import { checkReferenceFormat, checkStrictFormat } from './format.js';
import type { FormatResult } from './format.js';
import { segmentsFromObservations } from './segments.js';
import type { TextSegment } from './segments.js';

export interface ScorerOptions {
  /**
   * `strict` (for training) also rejects text between blocks, a `<response>` that no tool produced and more than one
   * `<answer>`; `reference` agrees with the published implementation, which accepts all three.
   */
  mode?: 'strict' | 'reference';
  /** tags of the enabled tools, lower case */
  tools?: readonly string[];
  /** scorers of further data sources, or other ones for the known */
  answerScorers?: Readonly<Record<string, AnswerScorer>>;
  /** texts such as an end-of-sequence token, removed from the output before it is judged */
  specialTokens?: readonly string[];
}

/** In the shape of autoevals and evalite. */
export interface ScorerInput {
  /** the response: everything after the prompt */
  output: string;
  /** gold answers; the best counts */
  expected: string | readonly string[];
  metadata: {
    dataSource: string;
    /** the response cut by writer: tells a forged response from a genuine one for certain (strict mode) */
    segments?: readonly TextSegment[];
    /** what the tools really answered, in order, as it stands in the output: the same from texts alone (strict mode) */
    observations?: readonly string[];
  };
}

export interface ScorerResult {
  name: string;
  /** −1 for a wrong format, else in [0, 1] */
  score: number;
  metadata: {
    /** score > 0.9 */
    acc: boolean;
    /** the part of the answer that was scored */
    pred: string;
    /** why the format is wrong; null if it is right */
    formatError: string | null;
    /** blocks by tool; zeros if the format is wrong */
    calls: Record<string, number>;
  };
}

export type Scorer = (input: ScorerInput) => ScorerResult;

/**
 * The rule-based reward: format first (wrong: −1), then the last 100 characters of the answer against the gold answers,
 * by data source.
 *
 * The scorer throws on what is wrong with the data, never on what a model wrote: an unknown data source, no gold answer,
 * a gold answer that is not a number where one is needed.
 */
export function createScorer(options: ScorerOptions = {}): Scorer {
  const { mode = 'strict', tools = ['search', 'code'], answerScorers, specialTokens = [] } = options;
  const clean = (text: string): string => specialTokens.reduce((rest, token) => rest.replaceAll(token, ''), text);

  function checkFormat({ output, metadata }: ScorerInput): FormatResult {
    const { segments, observations } = metadata;
    if (mode === 'reference') return checkReferenceFormat(clean(output), tools);
    if (segments)
      return checkStrictFormat(
        segments.map((segment) => ({ ...segment, text: clean(segment.text) })),
        tools,
      );
    if (observations) return checkStrictFormat(segmentsFromObservations(clean(output), observations.map(clean)), tools);
    return checkStrictFormat(clean(output), tools);
  }

  return (input) => {
    const { expected, metadata } = input;
    const format = checkFormat(input);
    const name = `tapo-${mode}`;
    if (format.formatError !== undefined) {
      const calls = Object.fromEntries(tools.map((tool) => [tool, 0]));
      const pred = '[ERROR] Incorrect Format!';
      return { name, score: -1, metadata: { acc: false, pred, formatError: format.formatError, calls } };
    }
    const targets = typeof expected === 'string' ? [expected] : expected;
    if (targets.length === 0) throw new Error(`A ${metadata.dataSource} problem has no gold answer; mend the data.`);
    const scoreAnswer = answerScorer(metadata.dataSource, answerScorers);
    const pred = readAnswer(format.answer);
    const score = Math.max(...targets.map((target) => scoreAnswer(pred, target)));
    return { name, score, metadata: { acc: score > 0.9, pred, formatError: null, calls: format.calls } };
  };
}
