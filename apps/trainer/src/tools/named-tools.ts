import { worldArticles } from '@tapo/data/world';
import type { Tool } from '@tapo/tools';
import type { SearchHit, SearchTool } from '@tapo/tools/search';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { UsageError } from '../cli/command.js';
import { readPassages } from './passages.js';

/** Options of a tool entry: whatever the adapter takes, unchecked. */
export type ToolOptions = Record<string, unknown>;

/** Tools by the name used in configs, but for the search services. Each library is loaded when its tool is asked for. */
export const localTools: Record<string, (options: ToolOptions) => Promise<Tool>> = {
  async search({ documents = 'world', index, ...options }) {
    const { createSearch, loadIndex } = await import('@tapo/tools/search');
    if (index === undefined) {
      return createSearch({ documents: await readDocuments(String(documents)), ...options }) as Tool;
    }
    const file = String(index);
    if (!(await isSqlite(file))) return createSearch({ index: await loadIndex(file), ...options }) as Tool;
    const { createSqliteSearch } = await importFor(
      'search with an SQLite index',
      '@libsql/client',
      () => import('@tapo/tools/search-sqlite'),
    );
    return createSqliteSearch({ file, ...options }) as Tool;
  },
  async python(options) {
    const { createPython } = await import('@tapo/tools/python');
    const tool = createPython({ onProgress: (message) => console.error(message), ...options });
    // what is missing is said now, not in every observation
    await tool.ready().catch(async (error: unknown) => {
      await tool.close?.();
      throw error;
    });
    return tool as Tool;
  },
  async javascript(options) {
    const { createJavascript } = await import('@tapo/tools/javascript');
    return createJavascript(options) as Tool;
  },
  async 'code-server'(options) {
    const { createCodeServer } = await import('@tapo/tools/code-server');
    return createCodeServer({
      ...options,
      url: needed('code-server', options, 'url', 'http://127.0.0.1:8000/run'),
    }) as Tool;
  },
};

/** Search services, which get the config's cache and count against its budget. */
export const searchServices: Record<string, (options: ToolOptions) => Promise<SearchTool>> = {
  async serper(options) {
    const { createSerper } = await import('@tapo/tools/serper');
    return createSerper({ ...options, apiKey: secret('serper', options, 'apiKey', 'SERPER_API_KEY') });
  },
  async brave(options) {
    const { createBrave } = await import('@tapo/tools/brave');
    return createBrave({ ...options, apiKey: secret('brave', options, 'apiKey', 'BRAVE_API_KEY') });
  },
  async tavily(options) {
    const { createTavily } = await import('@tapo/tools/tavily');
    return createTavily({ ...options, apiKey: secret('tavily', options, 'apiKey', 'TAVILY_API_KEY') });
  },
  async searxng(options) {
    const { createSearxng } = await import('@tapo/tools/searxng');
    return createSearxng({ ...options, url: secret('searxng', options, 'url', 'SEARXNG_URL') });
  },
  async wikipedia(options) {
    const { createWikipedia } = await import('@tapo/tools/wikipedia');
    const userAgent = secret('wikipedia', options, 'userAgent', 'WIKIPEDIA_USER_AGENT');
    return createWikipedia({ ...options, userAgent });
  },
  async retriever(options) {
    const { createRetriever } = await import('@tapo/tools/retriever');
    const url = needed('retriever', options, 'url', 'http://127.0.0.1:8000/retrieve');
    return createRetriever({ ...options, url });
  },
};

/** Names of the built-in tools. */
export const toolNames: readonly string[] = [...Object.keys(localTools), ...Object.keys(searchServices)];

/** Loads what an optional library is needed for. @throws UsageError that says what to install */
export async function importFor<T>(purpose: string, libraries: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UsageError(`${purpose} needs ${libraries}`, `npm install ${libraries}`, { cause: error });
  }
}

/** An option that may come from the environment, so that no config file need hold it. */
function secret(tool: string, options: ToolOptions, option: string, variable: string): string {
  const value = options[option] ?? process.env[variable];
  if (typeof value === 'string' && value !== '') return value;
  throw new UsageError(
    `the tool ${tool} needs ${option}`,
    `set ${variable} in the environment, or {"name": "${tool}", "${option}": …}`,
  );
}

function needed(tool: string, options: ToolOptions, option: string, example: string): string {
  const value = options[option];
  if (typeof value === 'string' && value !== '') return value;
  throw new UsageError(`the tool ${tool} needs ${option}`, `{"name": "${tool}", "${option}": "${example}"}`);
}

/** What transports a query and does not change its answer: left out of what keeps cache entries apart. */
const transport = new Set(
  (
    'apiKey userAgent headers description minQueryLength maxQueryLength maxHitLength timeoutMs retries backoffMs ' +
    'maxBackoffMs concurrency maxBodyBytes batchDelayMs maxBatchSize'
  ).split(' '),
);

/** Entries of one store are shared by tools that ask the same service in the same way. */
export function cacheScope(service: string, options: ToolOptions): string {
  const telling = Object.entries(options).filter(([key]) => !transport.has(key));
  return JSON.stringify([service, ...telling.toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

async function isSqlite(file: string): Promise<boolean> {
  if (!existsSync(file))
    throw new UsageError(`search: no such index: ${file}`, 'make one: tapo data index IN.jsonl OUT.sqlite');
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(15), 0, 15, 0);
    return buffer.toString('latin1') === 'SQLite format 3';
  } finally {
    await handle.close();
  }
}

/** @param source `world`, or a .jsonl file of `{title, text}` */
async function readDocuments(source: string): Promise<SearchHit[]> {
  if (source === 'world') return worldArticles();
  const documents: SearchHit[] = [];
  for await (const passage of readPassages(source)) documents.push(passage);
  return documents;
}
