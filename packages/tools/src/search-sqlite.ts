import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Client, InStatement } from '@libsql/client';
import { loadPeer } from './peer.js';
import { searchTool } from './search-tool.js';
import type { SearchHit, SearchTool, SearchToolOptions } from './search-tool.js';
import { tellingWords, wordsOf } from './search-words.js';

const { createClient } = await loadPeer('@tapo/tools/search-sqlite', '@libsql/client', () => import('@libsql/client'));

export interface CreateSqliteSearchOptions extends SearchToolOptions {
  /** what `buildSqliteIndex` wrote */
  file: string;
}

const VERSION = 1;
// statements, two for each passage
const BATCH = 2_000;
// as in search.ts: a title's word counts three times, a title that the query names in full doubles the score
const TITLE_BOOST = 3;
const CONTAINED_TITLE_BOOST = 2;
const LONGEST_TITLE_WORDS = 8;
const MOST_NAMED_TITLES = 30;
// of all passages
const COMMON_SHARE = 0.1;

export interface BuildSqliteIndexOptions {
  signal?: AbortSignal;
  /** told how many passages are written, after every thousand */
  onProgress?: (passages: number) => void;
}

/**
 * Writes a full-text index (SQLite FTS5, BM25) of any number of passages to one file. The file appears when it is whole.
 * @returns the number of passages
 * @throws if there are none
 */
export async function buildSqliteIndex(
  file: string,
  documents: Iterable<SearchHit> | AsyncIterable<SearchHit>,
  { signal, onProgress }: BuildSqliteIndexOptions = {},
): Promise<number> {
  const unfinished = `${file}.unfinished`;
  await mkdir(dirname(resolve(file)), { recursive: true });
  await rm(unfinished, { force: true });
  const client = createClient({ url: `file:${unfinished}` });
  let count = 0;
  try {
    await client.executeMultiple(`
      PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
      CREATE VIRTUAL TABLE passages USING fts5(title, text, tokenize = "unicode61 remove_diacritics 2");
      CREATE VIRTUAL TABLE words USING fts5vocab(passages, row);
      CREATE TABLE titles(title TEXT, passage INTEGER);`);
    let batch: InStatement[] = [];
    for await (const { title, text } of documents) {
      signal?.throwIfAborted();
      count += 1;
      batch.push({ sql: 'INSERT INTO passages(rowid, title, text) VALUES (?, ?, ?)', args: [count, title, text] });
      batch.push({ sql: 'INSERT INTO titles VALUES (?, ?)', args: [wordsOf(title).join(' '), count] });
      if (batch.length >= BATCH) {
        await client.batch(batch, 'write');
        batch = [];
        onProgress?.(count);
      }
    }
    if (count === 0) throw new Error(`${file}: there are no passages to index`);
    if (batch.length > 0) await client.batch(batch, 'write');
    await client.executeMultiple(`
      INSERT INTO passages(passages) VALUES ('optimize');
      CREATE INDEX titles_by_title ON titles(title);
      PRAGMA user_version = ${VERSION};`);
  } catch (error) {
    client.close();
    await rm(unfinished, { force: true });
    throw error;
  }
  client.close();
  await rename(unfinished, file);
  return count;
}

/**
 * Search over the file of `buildSqliteIndex`: read from disk as it is needed, shared by any number of processes. Ranks as
 * `createSearch` does: a query that is a title wants that passage, a title that it names in full counts more.
 * @throws at the first query if the file is none of ours: the error names file and remedy
 */
export function createSqliteSearch(options: CreateSqliteSearchOptions): SearchTool;
export function createSqliteSearch({ file, ...options }: Partial<CreateSqliteSearchOptions> = {}): SearchTool {
  if (!file) throw new TypeError('createSqliteSearch: got no file, wanted one that buildSqliteIndex wrote');
  let opening: Promise<Client> | undefined;
  const tool = searchTool(async (query, topK) => {
    opening ??= openIndex(file);
    return rank(await opening, query, topK);
  }, options);
  return {
    ...tool,
    async close() {
      const client = await opening?.catch(() => undefined);
      client?.close();
    },
  };
}

async function openIndex(file: string): Promise<Client> {
  const remedy = `wanted an index of version ${VERSION}; make it with buildSqliteIndex`;
  // a missing file would be created
  await stat(file).catch((error: unknown) => {
    throw new Error(`${file}: not found, ${remedy}`, { cause: error });
  });
  const client = createClient({ url: `file:${file}` });
  try {
    const { rows } = await client.execute('PRAGMA user_version');
    const version = rows[0]?.['user_version'];
    if (version !== VERSION) throw new Error(`${file}: got version ${String(version)}, ${remedy}`);
    return client;
  } catch (error) {
    client.close();
    if (error instanceof Error && error.message.startsWith(file)) throw error;
    throw new Error(`${file}: not a database, ${remedy}`, { cause: error });
  }
}

async function rank(client: Client, query: string, topK: number): Promise<SearchHit[]> {
  const asked = wordsOf(query).join(' ');
  const terms = await rareTerms(client, tellingWords(query));
  if (terms.length === 0) return [];
  const match = terms.map((term) => `"${term}"`).join(' OR ');
  const select = `SELECT rowid, title, text, bm25(passages, ${TITLE_BOOST}, 1) AS negativeScore FROM passages
    WHERE passages MATCH ? AND rank MATCH 'bm25(${TITLE_BOOST}, 1)'`;
  const named = await namedTitles(client, asked);
  // enough that a doubled score cannot come from beyond; passages whose title is named are taken in any case
  const found = await client.batch(
    [
      { sql: `${select} ORDER BY rank LIMIT ?`, args: [match, topK + 10] },
      ...Array.from(named.keys(), (id) => ({ sql: `${select} AND rowid = ?`, args: [match, id] })),
    ],
    'read',
  );
  const scored = new Map<number, { id: number; hit: SearchHit; score: number; exact: boolean }>();
  for (const row of found.flatMap(({ rows }) => rows)) {
    const id = Number(row['rowid']);
    const boost = named.has(id) ? CONTAINED_TITLE_BOOST : 1;
    const hit = { title: String(row['title']), text: String(row['text']) };
    scored.set(id, { id, hit, score: -Number(row['negativeScore']) * boost, exact: named.get(id) === asked });
  }
  return [...scored.values()]
    .toSorted((a, b) => Number(b.exact) - Number(a.exact) || b.score - a.score || a.id - b.id)
    .slice(0, topK)
    .map(({ hit }) => hit);
}

/**
 * The words to look for: not those that are nearly everywhere, which tell little and cost a pass over the whole index,
 * unless there are no others.
 */
async function rareTerms(client: Client, words: string[]): Promise<string[]> {
  const terms = [...new Set(words)];
  const { rows } = await client.execute({
    sql: `SELECT term, doc, (SELECT max(rowid) FROM titles) AS total FROM words WHERE term IN (${terms.map(() => '?').join(',')})`,
    args: terms,
  });
  const counted = rows.map((row) => ({ term: String(row['term']), share: Number(row['doc']) / Number(row['total']) }));
  counted.sort((a, b) => a.share - b.share);
  return counted.filter(({ share }, index) => index === 0 || share < COMMON_SHARE).map(({ term }) => term);
}

/** Passages whose title is a run of the query's words, with that title. */
async function namedTitles(client: Client, asked: string): Promise<Map<number, string>> {
  const words = asked.split(' ');
  const runs = new Set<string>();
  for (let start = 0; start < words.length; start++) {
    for (let end = start + 1; end <= Math.min(words.length, start + LONGEST_TITLE_WORDS); end++) {
      runs.add(words.slice(start, end).join(' '));
    }
  }
  const { rows } = await client.execute({
    sql: `SELECT title, passage FROM titles WHERE title IN (${Array.from(runs, () => '?').join(',')}) ORDER BY passage LIMIT ?`,
    args: [...runs, MOST_NAMED_TITLES],
  });
  return new Map(rows.map((row) => [Number(row['passage']), String(row['title'])]));
}
