import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { DataError, messageOf } from './data-error.js';

/** A raw record and the place it came from. */
export interface LocatedRecord {
  /** 1-based: line of a JSONL file, row of a parquet file */
  row: number;
  record: unknown;
}

/**
 * Streams the records of a JSONL file, one line in memory at a time. Empty lines are skipped but counted.
 *
 * @throws DataError with file and line at the first line that is not JSON
 */
export async function* readJsonlRecords(
  file: string,
  { signal }: { signal?: AbortSignal } = {},
): AsyncGenerator<LocatedRecord, void> {
  const input = createReadStream(file, { encoding: 'utf8', ...(signal ? { signal } : {}) });
  await once(input, 'open');
  const lines = createInterface({ input, crlfDelay: Infinity });
  // readline swallows errors of its input: they are rethrown here.
  let failure: unknown;
  input.once('error', (error) => {
    failure = error;
    lines.close();
  });
  let row = 0;
  try {
    for await (const raw of lines) {
      row++;
      const line = row === 1 && raw.startsWith('\uFEFF') ? raw.slice(1) : raw;
      if (line.trim() === '') continue;
      let record: unknown;
      try {
        record = JSON.parse(line);
      } catch (cause) {
        const got = line.length > 60 ? `${line.slice(0, 60)}…` : line;
        throw new DataError(
          `not JSON (${messageOf(cause)}), got ${got}. Wanted one complete JSON object per line; ` +
            `correct or delete this line`,
          { file, row, cause },
        );
      }
      yield { row, record };
    }
    if (failure !== undefined) throw failure;
  } finally {
    lines.close();
    input.destroy();
  }
}

/** Writes one JSON object per line, waiting for the disk where it is slower than the source. */
export async function writeJsonlRecords(
  file: string,
  records: Iterable<unknown> | AsyncIterable<unknown>,
  { signal }: { signal?: AbortSignal } = {},
): Promise<number> {
  const output = createWriteStream(file, { encoding: 'utf8' });
  const done = finished(output);
  done.catch(() => {}); // awaited below; a failure before that must not count as unhandled
  let count = 0;
  try {
    for await (const record of records) {
      signal?.throwIfAborted();
      if (!output.write(`${JSON.stringify(record)}\n`)) await Promise.race([once(output, 'drain'), done]);
      count++;
    }
    output.end();
    await done;
  } finally {
    output.destroy();
  }
  return count;
}
