import { type } from 'arktype';
import { DataError } from './data-error.js';
import type { Problem } from './problem.js';

/** A problem before it has an id of its own: `id` only where the record brings one. */
export type ConvertedRecord = Omit<Problem, 'id'> & { id?: string };

/** One layout of records: which columns it needs, and how a record becomes a problem. */
interface RecordLayout {
  required: readonly string[];
  optional: readonly string[];
  convert(record: unknown): ConvertedRecord;
}

const text = type('string > 0');
const answer = type('string > 0 | number | bigint');
const id = type('string | number | bigint | null | undefined');

const tapoRecord = type({
  question: text,
  data_source: text,
  reward_model: {
    'style?': 'string | null',
    ground_truth: { target: text.or(text.array().atLeastLength(1)) },
  },
  'ability?': 'string | null',
  'id?': id,
  'metadata?': 'object | null',
});
const nqRecord = type({ question: text, golden_answers: text.array().atLeastLength(1), 'id?': id });
const chatMessage = type({ role: 'string', content: text });
const dapoMathRecord = type({ prompt: text.or(chatMessage.array().atLeastLength(1)), target: answer, 'id?': id });
const aimeRecord = type({ Problem: text, Answer: answer, 'ID?': id });
const gsm8kRecord = type({ question: text, answer: text });
const deepmathRecord = type({
  question: text,
  final_answer: answer,
  'difficulty?': 'number | null',
  'topic?': 'string | null',
});

/** Runs an arktype validator; its summary names the key, what was wanted and what was got. */
function check<T>(validator: (record: unknown) => T | type.errors, record: unknown, remedy: string): T {
  const checked = validator(record);
  if (checked instanceof type.errors) throw new DataError(`${checked.summary.replaceAll('\n', '; ')}. ${remedy}`);
  return checked;
}

const ownId = (value: string | number | bigint | null | undefined): { id?: string } =>
  value === null || value === undefined || value === '' ? {} : { id: String(value) };

/**
 * The published layout (Hugging Face `Goer17/TAPO`): `question`, `data_source`, `ability`,
 * `reward_model: {style: "rule", ground_truth: {target}}`; `id` and `metadata` are ours and optional.
 */
const tapo: RecordLayout = {
  required: ['question', 'data_source', 'reward_model'],
  optional: ['id', 'ability', 'metadata'],
  convert(record) {
    const row = check(
      tapoRecord,
      record,
      'Wanted {question, data_source, reward_model: {style: "rule", ground_truth: {target: string | string[]}}}; ' +
        'a file in another layout has to be converted first',
    );
    const style = row.reward_model.style ?? 'rule';
    if (!style.startsWith('rule')) {
      throw new DataError(`reward_model.style is "${style}", wanted "rule": only rule-based rewards can be computed`);
    }
    const { target } = row.reward_model.ground_truth;
    return {
      ...ownId(row.id),
      question: row.question,
      dataSource: row.data_source,
      ...(row.ability ? { ability: row.ability } : {}),
      targets: typeof target === 'string' ? [target] : target,
      ...(row.metadata ? { metadata: row.metadata as Record<string, unknown> } : {}),
    };
  },
};

/** Natural Questions as FlashRAG publishes it: `question`, `golden_answers`. */
const nq: RecordLayout = {
  required: ['question', 'golden_answers'],
  optional: ['id'],
  convert(record) {
    const row = check(nqRecord, record, 'Wanted {question: string, golden_answers: string[]}');
    return {
      ...ownId(row.id),
      question: row.question,
      dataSource: 'nq',
      ability: 'facts',
      targets: row.golden_answers,
    };
  },
};

/** DAPO-Math-17K-cleaned: `prompt` (text, or chat messages of which the last one asks), `target`. */
const dapoMath: RecordLayout = {
  required: ['prompt', 'target'],
  optional: ['id'],
  convert(record) {
    const row = check(dapoMathRecord, record, 'Wanted {prompt: string, target: string}');
    const question = typeof row.prompt === 'string' ? row.prompt : (row.prompt.at(-1)?.content ?? '');
    return { ...ownId(row.id), question, dataSource: 'dapo_math', ability: 'math', targets: [String(row.target)] };
  },
};

/** AIME 2024: `Problem`, `Answer`. */
const aime: RecordLayout = {
  required: ['Problem', 'Answer'],
  optional: ['ID'],
  convert(record) {
    const row = check(aimeRecord, record, 'Wanted {Problem: string, Answer: string | integer}');
    return {
      ...ownId(row.ID),
      question: row.Problem,
      dataSource: 'aime2024',
      ability: 'math',
      targets: [String(row.Answer)],
    };
  },
};

/** GSM8K: `question`, `answer`, whose last line is `#### number`; thousands separators are dropped. */
const gsm8k: RecordLayout = {
  required: ['question', 'answer'],
  optional: [],
  convert(record) {
    const row = check(gsm8kRecord, record, 'Wanted {question: string, answer: "… #### number"}');
    const marker = row.answer.lastIndexOf('####');
    const target =
      marker < 0
        ? ''
        : row.answer
            .slice(marker + 4)
            .trim()
            .replaceAll(',', '');
    if (target === '') {
      throw new DataError(
        `answer has no number after "####", got "…${row.answer.slice(-40)}". Is this really GSM8K? Else choose another format`,
      );
    }
    return { question: row.question, dataSource: 'gsm8k', ability: 'math', targets: [target] };
  },
};

/** DeepMath-103K: `question`, `final_answer`. */
const deepmath: RecordLayout = {
  required: ['question', 'final_answer'],
  optional: ['difficulty', 'topic'],
  convert(record) {
    const row = check(deepmathRecord, record, 'Wanted {question: string, final_answer: string}');
    const metadata = {
      ...(typeof row.difficulty === 'number' ? { difficulty: row.difficulty } : {}),
      ...(row.topic ? { topic: row.topic } : {}),
    };
    return {
      question: row.question,
      dataSource: 'deep_math',
      ability: 'math',
      targets: [String(row.final_answer)],
      ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
    };
  },
};

const layouts = { tapo, nq, 'dapo-math': dapoMath, aime, gsm8k, deepmath } satisfies Record<string, RecordLayout>;

/** `tapo` is the published layout; the others are what the reference's converters read. */
export type RecordFormat = keyof typeof layouts;

export const recordFormats = Object.keys(layouts) as RecordFormat[];

/** @throws DataError when there is no such format */
export function layoutOf(format: string): RecordLayout {
  if (!Object.hasOwn(layouts, format)) {
    throw new DataError(`unknown record format "${format}", wanted one of ${recordFormats.join(', ')}`);
  }
  return layouts[format as RecordFormat];
}

/**
 * Turns one record of a published data set into a problem; `id` where the record brings one.
 *
 * @throws DataError naming the key, what was wanted and what was got
 */
export function convertRecord(format: RecordFormat, record: unknown): ConvertedRecord {
  return layoutOf(format).convert(record);
}

/** A record of the published TAPO layout, as `writeProblems` writes it. */
export interface TapoRecord {
  id: string;
  question: string;
  data_source: string;
  ability?: string;
  reward_model: { style: 'rule'; ground_truth: { target: string | string[] } };
  metadata?: Record<string, unknown>;
}

/** The inverse of `convertRecord('tapo', …)`. One gold answer becomes a string, several a list. */
export function toTapoRecord(problem: Problem): TapoRecord {
  const [first, ...others] = problem.targets;
  if (first === undefined)
    throw new DataError(`problem "${problem.id}" has no target, wanted at least one gold answer`);
  return {
    id: problem.id,
    question: problem.question,
    data_source: problem.dataSource,
    ...(problem.ability === undefined ? {} : { ability: problem.ability }),
    reward_model: { style: 'rule', ground_truth: { target: others.length === 0 ? first : problem.targets } },
    ...(problem.metadata === undefined ? {} : { metadata: problem.metadata }),
  };
}
