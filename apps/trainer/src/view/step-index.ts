import { readFile, stat } from 'node:fs/promises';
import { lineSpans, parseWithoutTokens } from './json-lines.js';
import type { LineSpan } from './json-lines.js';
import { flagBits } from './trajectory-filter.js';
import { toRow } from './trajectory-row.js';

/** One trajectory file in 30 bytes a line: where its lines are, and what can be filtered by without reading them. */
export interface StepIndex {
  step: number;
  file: string;
  /** size and time of the file that was read */
  stamp: string;
  offsets: Float64Array;
  lengths: Uint32Array;
  /** number of the line in the file; unreadable ones are not listed */
  lines: Uint32Array;
  flags: Uint16Array;
  problems: Uint32Array;
  sources: Uint32Array;
}

/** Strings that occur many times, as numbers. */
export interface Interned {
  number(text: string): number;
  /** undefined when the text never occurred */
  find(text: string): number | undefined;
}

export function interned(): Interned {
  const numbers = new Map<string, number>();
  return {
    find: (text) => numbers.get(text),
    number(text) {
      const known = numbers.get(text);
      if (known !== undefined) return known;
      numbers.set(text, numbers.size);
      return numbers.size - 1;
    },
  };
}

export interface IndexStepOptions {
  problems: Interned;
  sources: Interned;
  /** given back when the file has not changed since */
  previous?: StepIndex | undefined;
}

/** Reads a trajectory file once. Undefined when it is gone. */
export async function indexStep(
  file: string,
  step: number,
  { problems, sources, previous }: IndexStepOptions,
): Promise<StepIndex | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  const stamp = `${found.size} ${found.mtimeMs} ${found.ino}`;
  if (previous?.stamp === stamp) return previous;

  const buffer = await readFile(file);
  const rows = lineSpans(buffer).flatMap((span, line) => {
    const record = parseWithoutTokens(textAt(buffer, span));
    return record ? [{ span, row: toRow(record, step, line) }] : [];
  });
  return {
    step,
    file,
    stamp,
    offsets: Float64Array.from(rows, ({ span }) => span.offset),
    lengths: Uint32Array.from(rows, ({ span }) => span.length),
    lines: Uint32Array.from(rows, ({ row }) => row.line),
    flags: Uint16Array.from(rows, ({ row }) => flagBits(row)),
    problems: Uint32Array.from(rows, ({ row }) => problems.number(row.problemId)),
    sources: Uint32Array.from(rows, ({ row }) => sources.number(row.source)),
  };
}

export function textAt(buffer: Buffer, { offset, length }: LineSpan): string {
  return buffer.toString('utf8', offset, offset + length);
}
