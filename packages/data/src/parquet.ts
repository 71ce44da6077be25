import { open } from 'node:fs/promises';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import type { AsyncBuffer, FileMetaData, SchemaElement } from 'hyparquet';
import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import { DataError, messageOf } from './data-error.js';
import type { LocatedRecord } from './jsonl.js';
import type { TapoRecord } from './layouts.js';

const redownload = 'The file was probably cut while it was copied or downloaded; fetch it again';

/** A parquet file begins and ends with "PAR1"; a truncated one does not. */
async function checkMagic(file: string): Promise<void> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const head = Buffer.alloc(4);
    const tail = Buffer.alloc(4);
    if (size >= 12) {
      await handle.read(head, 0, 4, 0);
      await handle.read(tail, 0, 4, size - 4);
    }
    if (head.toString('latin1') !== 'PAR1') {
      throw new DataError(
        `not a parquet file: got ${size} bytes that begin with ${JSON.stringify(head.toString('latin1'))}, wanted "PAR1". ` +
          'Check the path and the extension',
        { file },
      );
    }
    if (tail.toString('latin1') !== 'PAR1') {
      throw new DataError(
        `truncated parquet file: its ${size} bytes end with ${JSON.stringify(tail.toString('latin1'))}, wanted "PAR1". ${redownload}`,
        { file },
      );
    }
  } finally {
    await handle.close();
  }
}

/** Snappy comes with the reader; the other codecs are loaded when a file needs them. */
async function compressorsFor(metadata: FileMetaData): Promise<{ compressors?: object }> {
  const builtIn = new Set(['SNAPPY', 'UNCOMPRESSED']);
  const needed = metadata.row_groups.some((group) =>
    group.columns.some(({ meta_data }) => meta_data !== undefined && !builtIn.has(meta_data.codec)),
  );
  if (!needed) return {};
  const { compressors } = await import('hyparquet-compressors');
  return { compressors };
}

async function readMetadata(file: string): Promise<{ buffer: AsyncBuffer; metadata: FileMetaData }> {
  await checkMagic(file);
  const buffer = await asyncBufferFromFile(file);
  try {
    return { buffer, metadata: await parquetMetadataAsync(buffer) };
  } catch (cause) {
    throw new DataError(`unreadable parquet footer (${messageOf(cause)}). ${redownload}`, { file, cause });
  }
}

/** Which columns to read. Without it: all. */
export interface ColumnSelection {
  required: readonly string[];
  optional: readonly string[];
}

/**
 * Streams the rows of a parquet file, one row group in memory at a time, only the columns asked for.
 *
 * @throws DataError when the file is truncated or damaged, or lacks a required column
 */
export async function* readParquetRecords(
  file: string,
  { columns, signal }: { columns?: ColumnSelection; signal?: AbortSignal } = {},
): AsyncGenerator<LocatedRecord, void> {
  const { buffer, metadata } = await readMetadata(file);
  const present = parquetSchema(metadata).children.map((child) => child.element.name);
  const missing = columns?.required.filter((name) => !present.includes(name)) ?? [];
  if (missing.length > 0) {
    throw new DataError(
      `no column ${missing.map((name) => `"${name}"`).join(', ')}: got ${present.join(', ')}; wanted ` +
        `${columns?.required.join(', ')}. Rename the columns, or say which format the file has so that it is converted`,
      { file },
    );
  }
  const wanted = columns && [...columns.required, ...columns.optional].filter((name) => present.includes(name));
  const compressors = await compressorsFor(metadata);

  let rowStart = 0;
  for (const group of metadata.row_groups) {
    signal?.throwIfAborted();
    const rowEnd = rowStart + Number(group.num_rows);
    let records: Record<string, unknown>[];
    try {
      records = await parquetReadObjects({
        file: buffer,
        metadata,
        rowStart,
        rowEnd,
        ...(wanted ? { columns: wanted } : {}),
        ...compressors,
      });
    } catch (cause) {
      throw new DataError(`rows ${rowStart + 1} to ${rowEnd} are unreadable (${messageOf(cause)}). ${redownload}`, {
        file,
        cause,
      });
    }
    for (const [index, record] of records.entries()) {
      signal?.throwIfAborted();
      yield { row: rowStart + index + 1, record };
    }
    rowStart = rowEnd;
  }
}

const string = (name: string, repetition_type: 'REQUIRED' | 'OPTIONAL' | 'REPEATED'): SchemaElement => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  repetition_type,
});

/** The published layout; `target` is always a list of strings, because a parquet column has one type. */
const tapoSchema: SchemaElement[] = [
  { name: 'root', num_children: 6 },
  string('id', 'REQUIRED'),
  string('question', 'REQUIRED'),
  string('data_source', 'REQUIRED'),
  string('ability', 'OPTIONAL'),
  { name: 'reward_model', num_children: 2, repetition_type: 'REQUIRED' },
  string('style', 'REQUIRED'),
  { name: 'ground_truth', num_children: 1, repetition_type: 'REQUIRED' },
  { name: 'target', num_children: 1, repetition_type: 'REQUIRED', converted_type: 'LIST' },
  { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
  string('element', 'REQUIRED'),
  { name: 'metadata', type: 'BYTE_ARRAY', converted_type: 'JSON', repetition_type: 'OPTIONAL' },
];

/** Writes records of the TAPO layout; at most `rowGroupSize` of them are in memory at a time. */
export async function writeParquetRecords(
  file: string,
  records: Iterable<TapoRecord> | AsyncIterable<TapoRecord>,
  { rowGroupSize = 10_000, signal }: { rowGroupSize?: number; signal?: AbortSignal } = {},
): Promise<number> {
  const writer = new ParquetWriter({ writer: fileWriter(file), schema: tapoSchema, createdBy: '@tapo/data' });
  let group: TapoRecord[] = [];
  let count = 0;
  const flush = async (): Promise<void> => {
    if (group.length === 0) return;
    const column = (name: string, value: (record: TapoRecord) => unknown): { name: string; data: unknown[] } => ({
      name,
      data: group.map(value),
    });
    await writer.write({
      rowGroupSize,
      columnData: [
        column('id', (record) => record.id),
        column('question', (record) => record.question),
        column('data_source', (record) => record.data_source),
        column('ability', (record) => record.ability),
        column('reward_model', ({ reward_model: { style, ground_truth } }) => ({
          style,
          ground_truth: { target: [ground_truth.target].flat() },
        })),
        column('metadata', (record) => record.metadata),
      ],
    });
    group = [];
  };
  for await (const record of records) {
    signal?.throwIfAborted();
    group.push(record);
    count++;
    if (group.length >= rowGroupSize) await flush();
  }
  await flush();
  await writer.finish();
  return count;
}
