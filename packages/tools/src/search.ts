import { readFile, writeFile } from 'node:fs/promises';
import MiniSearch from 'minisearch';
import { elide } from './elide.js';
import { searchTool } from './search-tool.js';
import { tellingWords, wordsOf } from './search-words.js';
import type { SearchHit, SearchTool, SearchToolOptions } from './search-tool.js';

export type { SearchHit, SearchTool, SearchToolOptions } from './search-tool.js';

/** What is searched: `id` is the reader's own and only handed through. */
export interface SearchDocument extends SearchHit {
  id?: string;
}

/** A full-text index in memory; `createIndex` and `loadIndex` make one. */
export interface SearchIndex {
  readonly documents: readonly SearchDocument[];
  /** positions in `documents`, best first */
  rank(query: string, topK: number): number[];
  /** the file form, see `saveIndex` */
  toJSON(): unknown;
}

export interface CreateSearchOptions extends SearchToolOptions {
  documents?: Iterable<SearchDocument>;
  index?: SearchIndex;
}

/**
 * Search over a local index (BM25+ by MiniSearch): no network, same answer every time.
 * Made for up to some ten thousand documents, all in memory; `@tapo/tools/search-sqlite` is for more.
 */
export function createSearch({ documents, index, ...options }: CreateSearchOptions = {}): SearchTool {
  if (!documents === !index) {
    throw new TypeError(`createSearch: got ${index ? 'both' : 'neither'} of documents and index, wanted one of them`);
  }
  const searched = index ?? createIndex(documents!);
  return searchTool(
    (query, topK) => searched.rank(query, topK).map((position) => searched.documents[position]!),
    options,
  );
}

const INDEX_FORMAT = 'tapo-search-index';
const INDEX_VERSION = 1;

// A title counts three times as much as the same word in the text; both choices were made on country articles.
const TITLE_BOOST = 3;
const CONTAINED_TITLE_BOOST = 2;

const miniSearchOptions = {
  fields: ['title', 'text'],
  idField: 'position',
  tokenize: wordsOf,
  // `tokenize` has done it
  processTerm: (term: string) => term,
};

/** Builds an index; the order of the documents decides between equal scores. @throws TypeError for what is no document */
export function createIndex(documents: Iterable<SearchDocument>): SearchIndex {
  if (typeof documents?.[Symbol.iterator] !== 'function') {
    throw new TypeError(
      `got documents ${elide(String(JSON.stringify(documents)), 80)}, wanted a list of {title, text}`,
    );
  }
  const kept = Array.from(documents);
  for (const [position, document] of kept.entries()) {
    if (typeof document?.title === 'string' && typeof document.text === 'string') continue;
    const got = elide(String(JSON.stringify(document)), 80);
    throw new TypeError(`documents[${position}] is ${got}, wanted {title: text, text: text}`);
  }
  const engine = new MiniSearch<{ position: number; title: string; text: string }>(miniSearchOptions);
  engine.addAll(kept.map(({ title, text }, position) => ({ position, title, text })));
  return indexOf(kept, engine);
}

function indexOf(documents: readonly SearchDocument[], engine: MiniSearch): SearchIndex {
  const titles = documents.map(({ title }) => ` ${wordsOf(title).join(' ')} `);
  const byTitle = new Map<string, number[]>();
  for (const [position, title] of titles.entries()) byTitle.set(title, [...(byTitle.get(title) ?? []), position]);
  return {
    documents,
    rank(query, topK) {
      const asked = ` ${wordsOf(query).join(' ')} `;
      const found = engine.search(tellingWords(query).join(' '), {
        boost: { title: TITLE_BOOST },
        // whole words in order: "area of Guinea" names Guinea, not Guinea-Bissau; "Dominica" is no part of "Dominican"
        boostDocument: (position) => (asked.includes(titles[position as number]!) ? CONTAINED_TITLE_BOOST : 1),
      });
      found.sort((a, b) => b.score - a.score || a.id - b.id);
      // a query that is a title wants that document
      return Array.from(new Set([...(byTitle.get(asked) ?? []), ...found.map(({ id }) => id as number)])).slice(
        0,
        topK,
      );
    },
    toJSON: () => ({ format: INDEX_FORMAT, version: INDEX_VERSION, documents, engine }),
  };
}

/** Writes the index, documents included, as one JSON file. */
export async function saveIndex(index: SearchIndex, file: string): Promise<void> {
  await writeFile(file, JSON.stringify(index));
}

/** Reads what `saveIndex` wrote. Errors name the file, what was found and what was wanted. */
export async function loadIndex(file: string): Promise<SearchIndex> {
  const wanted = `wanted an index of format ${INDEX_FORMAT} version ${INDEX_VERSION}; make it anew with saveIndex`;
  const fail = (got: string, cause?: unknown) => new Error(`${file}: ${got}, ${wanted}`, { cause });
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw fail(error instanceof SyntaxError ? 'not valid JSON' : String((error as Error).message), error);
  }
  const { format, version, documents, engine } = (content ?? {}) as Record<string, unknown>;
  if (format !== INDEX_FORMAT) throw fail(`got format ${String(format)}`);
  if (version !== INDEX_VERSION) throw fail(`got version ${String(version)}`);
  try {
    return indexOf(documents as SearchDocument[], MiniSearch.loadJS(engine as never, miniSearchOptions));
  } catch (error) {
    throw fail('got a damaged index', error);
  }
}
