import { rename, rm } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { DataError } from './data-error.js';
import { readJsonlRecords, writeJsonlRecords } from './jsonl.js';
import type { LocatedRecord } from './jsonl.js';
import { layoutOf, toTapoRecord } from './layouts.js';
import type { RecordFormat } from './layouts.js';
import { readParquetRecords, writeParquetRecords } from './parquet.js';
import type { ColumnSelection } from './parquet.js';
import type { Problem } from './problem.js';

type Container = 'jsonl' | 'parquet';

function containerOf(file: string): Container {
  const extension = extname(file).toLowerCase();
  if (extension === '.jsonl' || extension === '.ndjson') return 'jsonl';
  if (extension === '.parquet') return 'parquet';
  throw new DataError(`got the extension "${extension}", wanted .jsonl, .ndjson or .parquet`, { file });
}

function readRecords(
  file: string,
  { columns, signal }: { columns: ColumnSelection; signal?: AbortSignal },
): AsyncGenerator<LocatedRecord, void> {
  const options = signal ? { signal } : {};
  return containerOf(file) === 'jsonl'
    ? readJsonlRecords(file, options)
    : readParquetRecords(file, { columns, ...options });
}

export interface ReadProblemsOptions {
  /** layout of the records; default `tapo`, the published one */
  format?: RecordFormat;
  /** Refuse data sources for which this is false: better here, with file and row, than in the middle of training. */
  isKnownSource?: (dataSource: string) => boolean;
  signal?: AbortSignal;
}

/**
 * Streams the problems of a `.jsonl`, `.ndjson` or `.parquet` file. Ids are the records' own; records without one, and
 * repeated ids, get `file:row`.
 *
 * @throws DataError with file and row at the first bad record
 */
export async function* readProblems(
  file: string,
  { format = 'tapo', isKnownSource, signal }: ReadProblemsOptions = {},
): AsyncGenerator<Problem, void> {
  const layout = layoutOf(format);
  const seen = new Set<string>();
  try {
    for await (const { row, record } of readRecords(file, { columns: layout, ...(signal ? { signal } : {}) })) {
      const place = { file, row };
      let problem: Problem;
      try {
        const { id, ...converted } = layout.convert(record);
        const rowId = `${basename(file)}:${row}`;
        problem = { id: id === undefined || seen.has(id) ? rowId : id, ...converted };
      } catch (error) {
        throw error instanceof DataError ? new DataError(error.message, { ...place, cause: error }) : error;
      }
      seen.add(problem.id);
      if (isKnownSource && !isKnownSource(problem.dataSource)) {
        throw new DataError(
          `unknown data source "${problem.dataSource}": no scorer answers to it. Correct data_source, or register a scorer`,
          place,
        );
      }
      yield problem;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new DataError('no such file. Check the path', { file, cause: error });
    }
    throw error;
  }
}

/** All problems of a file at once; see `readProblems`. */
export async function loadProblems(file: string, options: ReadProblemsOptions = {}): Promise<Problem[]> {
  const problems: Problem[] = [];
  for await (const problem of readProblems(file, options)) problems.push(problem);
  return problems;
}

export interface WriteProblemsOptions {
  /** rows per parquet row group: what a reader holds in memory at a time */
  rowGroupSize?: number;
  signal?: AbortSignal;
}

async function* toRecords(problems: Iterable<Problem> | AsyncIterable<Problem>) {
  for await (const problem of problems) yield toTapoRecord(problem);
}

/**
 * Writes problems in the published layout, as JSONL or parquet by extension. The file appears under its name only when
 * it is complete.
 *
 * @returns the number of problems written
 */
export async function writeProblems(
  file: string,
  problems: Iterable<Problem> | AsyncIterable<Problem>,
  options: WriteProblemsOptions = {},
): Promise<number> {
  const container = containerOf(file);
  const partial = `${file}.partial-${process.pid}`;
  try {
    const write = container === 'jsonl' ? writeJsonlRecords : writeParquetRecords;
    const count = await write(partial, toRecords(problems), options);
    await rename(partial, file);
    return count;
  } finally {
    await rm(partial, { force: true });
  }
}
