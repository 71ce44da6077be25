import type { SearchHit } from '@tapo/tools/search';
import { createReadStream, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { UsageError } from '../cli/command.js';

const WANTED = 'wanted a .jsonl file: one {"title": text, "text": text} per line';

/**
 * The passages of a .jsonl file, one at a time.
 * @param onRead told how much of the file has been read, in [0, 1], before every passage
 * @throws UsageError with the line of what is none
 */
export async function* readPassages(file: string, onRead?: (share: number) => void): AsyncGenerator<SearchHit> {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) throw new UsageError(`no such file: ${file}`, WANTED);
  if (stats.isDirectory()) throw new UsageError(`${file} is a directory`, WANTED);
  let line = 0;
  const stream = createReadStream(file);
  for await (const text of createInterface({ input: stream, crlfDelay: Infinity })) {
    line += 1;
    onRead?.(stream.bytesRead / stats.size);
    if (text.trim() !== '') yield passageOf(text, `${file}:${line}`);
  }
}

function passageOf(line: string, place: string): SearchHit {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new UsageError(`${place}: not valid JSON: ${(error as Error).message}`, WANTED);
  }
  const { title = '', text } = (value ?? {}) as Partial<SearchHit>;
  if (typeof title === 'string' && typeof text === 'string') return { title, text };
  throw new UsageError(`${place}: wanted {"title": text, "text": text}, got ${JSON.stringify(value).slice(0, 100)}`);
}
