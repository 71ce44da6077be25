import type { Turn } from '@tapo/core';
import type { TrajectoryRecord } from '../trajectory-records.js';
import type { TrajectoryDetail, TrajectoryRow } from './protocol.js';

const shownCharacters = 300;

/** What lists show of a record. Records of older versions may lack keys: they read as empty, not as an error. */
export function toRow(record: Record<string, unknown>, step: number, line: number): TrajectoryRow {
  const known = record as Partial<TrajectoryRecord>;
  const turns = Array.isArray(known.turns) ? known.turns : [];
  const id = text(known.id) || `line ${line}`;
  return {
    step,
    line,
    id,
    group: id.includes('/') ? id.slice(0, id.lastIndexOf('/')) : id,
    problemId: text(known.problemId),
    question: text(known.question).slice(0, shownCharacters),
    source: text(known.source),
    reward: number(known.reward),
    score: number(known.score),
    advantage: typeof known.advantage === 'number' ? known.advantage : null,
    accurate: known.accurate === true,
    wellFormed: known.wellFormed === true,
    trained: known.trained === true,
    answer: typeof known.answer === 'string' ? known.answer.slice(0, shownCharacters) : null,
    stopReason: known.stopReason ?? 'error',
    calls: turns.flatMap((turn) => turn.calls.map(({ tool, status }) => ({ tool, status }))),
    sampledTokens: turns.reduce((sum, turn) => sum + turn.end - turn.start, 0),
  };
}

/** A record to be read, without its token columns. */
export function toDetail(record: Record<string, unknown>, step: number, line: number): TrajectoryDetail {
  const known = record as Partial<TrajectoryRecord>;
  return {
    ...toRow(record, step, line),
    question: text(known.question),
    answer: known.answer ?? null,
    targets: known.targets ?? [],
    prompt: text(known.prompt),
    segments: known.segments ?? [],
    turns: (known.turns ?? []) as Turn[],
    ...(typeof known.error === 'string' && { error: known.error }),
  };
}

/** Whether a text occurs in what was asked, written, called or observed; case is ignored. */
export function mentions(record: Record<string, unknown>, lowerCaseText: string): boolean {
  const { id = '', question = '', answer, segments = [], turns = [] } = record as Partial<TrajectoryRecord>;
  const calls = turns.flatMap((turn) => turn.calls.flatMap(({ input, observation }) => [input, observation]));
  return [id, question, answer ?? '', ...segments.map((segment) => segment.text), ...calls].some((part) =>
    part.toLowerCase().includes(lowerCaseText),
  );
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : NaN;
}
