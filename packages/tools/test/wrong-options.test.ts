import { callTool, statefulTool } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { budgeted, createBudget } from '@tapo/tools/budget';
import { cached } from '@tapo/tools/cache';
import { createCodeServer } from '@tapo/tools/code-server';
import { toolConformance } from '@tapo/tools/conformance';
import { createJavascript } from '@tapo/tools/javascript';
import { fromJsonSchema } from '@tapo/tools/json-schema';
import { createPython } from '@tapo/tools/python';
import { openRedisStore } from '@tapo/tools/redis-store';
import { createRetriever } from '@tapo/tools/retriever';
import { createIndex, createSearch } from '@tapo/tools/search';
import { createSqliteSearch } from '@tapo/tools/search-sqlite';
import { createSearxng } from '@tapo/tools/searxng';
import { createSerper } from '@tapo/tools/serper';
import { expect, it } from 'vitest';

const tool: Tool = { name: 'echo', description: '', execute: (input) => input };
const search = createSearch({ documents: [] });
const url = 'http://127.0.0.1:9';

// what a compiler would refuse, as JavaScript and JSON let it through: an error when the tool is made, not in each observation
it.each<[string, () => unknown, string]>([
  ['no documents', () => createSearch(), 'got neither of documents and index'],
  ['a number of documents', () => createIndex(5 as never), 'got documents 5, wanted a list of {title, text}'],
  ['a text', () => createIndex(['Chad'] as never), 'documents[0] is "Chad", wanted {title: text, text: text}'],
  ['nothing', () => createIndex([{ title: '', text: '' }, null] as never), 'documents[1] is null'],
  ['no key', () => createSerper(undefined as never), 'createSerper: got no apiKey, wanted {apiKey: text}'],
  ['no file', () => createSqliteSearch(undefined as never), 'createSqliteSearch: got no file'],
  ['no options', () => createRetriever(undefined as never), 'createRetriever: got url undefined'],
  ['no tool', () => cached(undefined as never), 'cached: got the tool undefined, wanted a search tool'],
  ['no search tool', () => cached(tool as never), "cached: got the tool { name: 'echo', description: ''"],
  ['a percentage', () => cached(search, { minSimilarity: 90 }), 'cached: got minSimilarity 90, wanted 0 to 1'],
  ['no similarity', () => cached(search, { minSimilarity: Number.NaN }), 'cached: got minSimilarity NaN'],
  ['no time to live', () => cached(search, { ttlMs: 0 }), 'cached: got ttlMs 0, wanted more than 0'],
  ['no schema', () => fromJsonSchema(undefined as never), 'fromJsonSchema: got undefined, wanted a JSON Schema: {type'],
  ['a list', () => fromJsonSchema(['text'] as never), "fromJsonSchema: got [ 'text' ]"],
  [
    'no url',
    () => createRetriever({} as never),
    'createRetriever: got url undefined, wanted one that begins with http',
  ],
  ['no scheme', () => createSearxng({ url: 'localhost:8888' }), 'createSearxng: got url "localhost:8888"'],
  ['a file', () => createCodeServer({ url: 'file:///run' }), 'createCodeServer: got url "file:///run"'],
  ['no host', () => createCodeServer({ url: 'http://' }), 'createCodeServer: got url "http://"'],
  ['a time in words', () => createSearxng({ url, timeoutMs: '5 s' as never }), "got timeoutMs '5 s', wanted a number"],
  ['negative retries', () => createRetriever({ url, retries: -1 }), 'got retries -1, wanted a number of at least 0'],
  ['a limit in words', () => createBudget({ maxCost: '25' as never }), "createBudget: got maxCost '25'"],
  ['NaN queries', () => createBudget({ maxQueries: Number.NaN }), 'createBudget: got maxQueries NaN'],
  [
    'a price',
    () => budgeted(tool, createBudget(), { costPerQuery: 'free' as never }),
    "got costPerQuery 'free' for echo",
  ],
  ['a lifetime', () => createJavascript({ lifetime: 'forever' as never }), 'createJavascript: got lifetime "forever"'],
  ['no time', () => createJavascript({ timeLimitMs: -1 }), 'got timeLimitMs -1, wanted more than 0'],
  ['no workers', () => createPython({ workers: 0 }), 'createPython: got workers 0, wanted a whole number'],
  ['what a language keeps', () => createPython({ lifetime: 'run' as never }), 'createPython: got lifetime "run"'],
  [
    'none',
    () => statefulTool({ ...tool, open: () => 0 } as never),
    'echo: got lifetime undefined, wanted call, rollout',
  ],
  [
    'no runner',
    () => toolConformance('echo', () => tool, {} as never),
    "toolConformance('echo'): wanted {test, cases}",
  ],
])('%s', (_, make, message) => {
  expect(make).toThrow(message);
});

it.each<[string, () => Promise<unknown>, string]>([
  ['no tool', () => callTool(undefined as never, ''), 'callTool: got the tool undefined, wanted {name, description'],
  ['no execute', () => callTool({ name: 'x' } as never, ''), "callTool: got the tool { name: 'x' }"],
  ['a time in words', () => callTool(tool, 'a', { timeoutMs: '5 s' as never }), "callTool: got timeoutMs '5 s'"],
  ['no Redis', () => openRedisStore(undefined as never), 'openRedisStore: got no url, wanted {url: "redis:'],
])('%s, in a promise', async (_, make, message) => {
  await expect(make()).rejects.toThrow(message);
});

it('a JSON Schema as inputSchema is told how to become one of ours', async () => {
  const inputSchema = { type: 'object' } as never;
  expect(await callTool({ ...tool, inputSchema }, '{}')).toMatchObject({
    status: 'error',
    observation: expect.stringContaining('wrap a JSON Schema in fromJsonSchema'),
  });
});
