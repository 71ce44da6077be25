import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callTool } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { resolveConfig } from '../src/config/schema.js';
import type { Config, ToolEntry } from '../src/config/schema.js';
import { serializableConfig } from '../src/config/serialize.js';
import { openTools } from '../src/tools/toolbox.js';
import { usageMetrics } from '../src/tools/tool-usage.js';

const tools = fileURLToPath(new URL('../../../packages/tools/', import.meta.url));
const otherLibraries = join(tools, 'test/helpers/other-libraries.ts');
const everything = createRequire(join(tools, 'package.json'))
  .resolve('@modelcontextprotocol/server-everything/package.json')
  .replace('package.json', 'dist/index.js');

/** A retrieval server of the Search-R1 kind that counts what it is asked. */
let url = '';
let asked = 0;
const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  const { queries } = JSON.parse(body) as { queries: string[] };
  asked += queries.length;
  response.end(JSON.stringify({ result: queries.map((query) => [{ document: { contents: `${query}\nfound` } }]) }));
});
beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/retrieve`;
});
afterAll(() => void server.close());
beforeEach(() => {
  asked = 0;
  for (const name of ['SERPER_API_KEY', 'BRAVE_API_KEY', 'TAVILY_API_KEY', 'SEARXNG_URL', 'WIKIPEDIA_USER_AGENT']) {
    vi.stubEnv(name, undefined);
  }
  return () => vi.unstubAllEnvs();
});

const configOf = (config: Partial<Config>) => resolveConfig({ model: 'x', ...config });
const open = (entries: ToolEntry[], config: Partial<Config> = {}) => openTools(entries, configOf(config));
const observe = async (tool: Tool | undefined, input: unknown) => (await callTool(tool!, input)).observation;

describe('search services by name', () => {
  it.each([
    ['serper', 'SERPER_API_KEY'],
    ['brave', 'BRAVE_API_KEY'],
    ['tavily', 'TAVILY_API_KEY'],
    ['searxng', 'SEARXNG_URL'],
    ['wikipedia', 'WIKIPEDIA_USER_AGENT'],
  ])('%s is asked for with %s', async (name, variable) => {
    await expect(open([name])).rejects.toMatchObject({
      message: expect.stringContaining(`the tool ${name} needs `),
      remedy: expect.stringContaining(`set ${variable} in the environment`),
    });
    vi.stubEnv(variable, 'http://127.0.0.1:9');
    const { tools: made, close } = await open([name]);
    expect(made.map((tool) => tool.name)).toEqual(['search']);
    await close();
  });

  it('a retriever needs its url, and a typo is told', async () => {
    await expect(open(['retriever'])).rejects.toMatchObject({ remedy: expect.stringContaining('"url": "http://') });
    await expect(open(['wikipeda'])).rejects.toThrow('unknown tool "wikipeda"; did you mean wikipedia?');
  });

  it('two tools of one name are refused, with another name they get along', async () => {
    await expect(open(['search', { name: 'retriever', url }])).rejects.toThrow('two tools are called "search"');
    const { tools: made, close } = await open(['search', { name: 'retriever', url, as: 'library' }]);
    expect(made.map(({ name, tag }) => [name, tag])).toEqual([
      ['search', undefined],
      ['library', 'library'],
    ]);
    expect(await observe(made[1], 'Chad')).toBe('Doc 1: Chad found');
    await close();
  });
});

describe('the cache', () => {
  const ask = async (config: Partial<Config>, ...queries: string[]) => {
    const { tools: made, usage, close } = await open([{ name: 'retriever', url }], config);
    const before = usage();
    for (const query of queries) await callTool(made[0]!, query);
    const metrics = usageMetrics(before, usage());
    await close();
    return metrics;
  };

  it('in memory by default; hits by kind and as a rate', async () => {
    // exact, fuzzy (question mark apart), and two that are asked
    expect(await ask({}, 'area of Chad', 'area of Chad', 'area of Chad?', 'area of Mali')).toEqual({
      cacheHits: { exact: 1 / 4, fuzzy: 1 / 4, coalesced: 0 },
      cacheHitRate: 1 / 2,
      externalQueries: 2,
      cacheErrors: 0,
    });
    expect(asked).toBe(2);
  });

  it('fuzzy hits, or all of them, can be switched off', async () => {
    const queries = ['area of Chad', 'area of Chad', 'area of Chad?'];
    expect(await ask({ cache: { minSimilarity: null } }, ...queries)).toMatchObject({ externalQueries: 2 });
    // without a cache there is nothing to count, and the service is asked every time
    asked = 0;
    expect(await ask({ cache: { store: 'none' } }, ...queries)).toEqual({});
    expect(asked).toBe(3);
  });

  it('in a file it is there for the next run, and other services do not get its entries', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'tapo-cache-')), 'deep', 'cache.sqlite');
    const cache = { store: 'sqlite', file } as const;
    expect(await ask({ cache }, 'Area of Chad')).toMatchObject({ cacheHitRate: 0, externalQueries: 1 });
    expect(await ask({ cache }, 'Area of Chad')).toMatchObject({ cacheHitRate: 1, externalQueries: 0 });
    const other = `${url}?other`;
    const { tools: made, usage, close } = await open([{ name: 'retriever', url: other }], { cache });
    await callTool(made[0]!, 'Area of Chad');
    expect(usage()).toMatchObject({ exact: 0, miss: 1 });
    await close();
  });

  it('in Redis: a missing url and a server that is not there are told', async () => {
    vi.stubEnv('REDIS_URL', undefined);
    await expect(ask({ cache: { store: 'redis' } }, 'Chad')).rejects.toThrow('cache.url is missing');
    vi.stubEnv('REDIS_URL', 'redis://user:secret@127.0.0.1:1');
    const failure = await ask({ cache: { store: 'redis' } }, 'Chad').catch((error: Error) => error.message);
    expect(failure).toMatch(/^the cache cannot be opened: Redis at 127\.0\.0\.1:1 cannot be reached/);
    expect(failure).not.toContain('secret');
  });
});

describe('the budget', () => {
  it('counts services, and tools with a price; hits are free', async () => {
    const module = await moduleOf(`export const tool = { name: 'own', description: '', execute: (x) => x };`);
    const {
      tools: made,
      budget,
      close,
    } = await open(
      [
        { name: 'retriever', url, costPerQuery: 0.01 },
        { module, costPerQuery: 0.5 },
        { module, as: 'free' },
      ],
      { budget: { maxCost: 0.6 } },
    );
    for (const query of ['Chad', 'Chad', 'Mali']) await callTool(made[0]!, query);
    await callTool(made[1]!, 'once');
    await callTool(made[2]!, 'for nothing');
    // 2 · 0.01 + 0.5
    expect([budget.queries, budget.cost]).toEqual([3, expect.closeTo(0.52, 12)]);
    expect(budget.signal.aborted).toBe(false);
    expect(await callTool(made[1]!, 'twice')).toMatchObject({ status: 'refused' });
    expect(budget.signal.aborted).toBe(true);
    await close();
  });

  it('goes on with what was spent', async () => {
    const { tools: made, close } = await openTools([{ name: 'retriever', url }], {
      budget: { maxQueries: 5 },
      spent: { queries: 5, cost: 0 },
    });
    expect((await callTool(made[0]!, 'Chad')).status).toBe('refused');
    await close();
  });

  it('a price that is none', async () => {
    await expect(open([{ name: 'search', costPerQuery: -1 }])).rejects.toThrow('costPerQuery of search is -1');
  });
});

describe('options', () => {
  it.each([
    [{ name: 'search', topk: 1 }, 'the tool search has no option "topk"; did you mean topK?'],
    [{ name: 'search', topK: '1' }, 'topK of the tool search is "1", wanted a number'],
    [{ name: 'retriever', url: 'http://127.0.0.1:9', batchDelay: 5 }, 'did you mean batchDelayMs?'],
    [{ name: 'python', timeLimit: 5 }, 'did you mean timeLimitMs?'],
    [{ name: 'javascript', toString: 5 }, 'the tool javascript has no option "toString"'],
    [{ module: './x.ts', option: {} }, 'a tool entry with "module" has no option "option"; did you mean options?'],
    [{ mcp: 'http://127.0.0.1:9', include: 'echo' }, 'include of a tool entry with "mcp" is "echo", wanted a list'],
    [{ mcp: { command: 'npx', arguments: [] } }, '"mcp" of a tool entry has no option "arguments"'],
  ])('%j is told what is wrong', async (entry, message) => {
    await expect(open([entry as ToolEntry])).rejects.toThrow(message);
  });

  it('undefined is as good as nothing', async () => {
    const { tools: made } = await open([{ name: 'search', topK: undefined }]);
    expect(made).toHaveLength(1);
  });
});

async function moduleOf(text: string): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'tapo-tool-')), 'tool.mjs');
  await writeFile(file, text);
  return file;
}

describe('modules', () => {
  it('a function gets its options, and may make several tools', async () => {
    const module = await moduleOf(
      `const make = (name, greeting) => ({ name, description: '', execute: (x) => greeting + ' ' + x });
       export const tools = ({ greeting }) => [make('one', greeting), make('two', greeting + '!')];`,
    );
    const entry = { module, options: { greeting: 'Hello' } };
    const all = await open([entry]);
    expect(await Promise.all(all.tools.map((tool) => observe(tool, 'you')))).toEqual(['Hello you', 'Hello! you']);
    const some = await open([{ ...entry, include: ['two'], as: 'greet' }]);
    expect(some.tools.map(({ name }) => name)).toEqual(['greet']);
    await expect(open([{ ...entry, include: ['three'] }])).rejects.toMatchObject({ remedy: 'it has one, two' });
    await expect(open([{ ...entry, as: 'greet' }])).rejects.toThrow('has 2 tools, so "as" cannot name them');
  });

  it.each([
    ['ai-sdk', 'aiTools', ['ai', 'shout'], 'ai heard you'],
    ['openai-agents', 'agentTools', ['agent'], 'agent heard you'],
    ['langchain', 'chainTools', ['chain'], 'chain heard you'],
    ['mastra', 'mastraTools', ['mastra'], 'mastra heard you'],
  ] as const)('tools of %s', { timeout: 60_000 }, async (from, name, names, heard) => {
    const { tools: made } = await open([{ module: otherLibraries, from, export: name }]);
    expect(made.map((tool) => tool.name)).toEqual(names);
    expect(await observe(made[0], 'you')).toBe(heard);
    expect(await observe(made[0], { text: 5 })).toMatch(/Invalid input for \w+: text: must be string/);
  });

  it('an unknown library, an export that is no tool, a package that is not installed', async () => {
    const module = await moduleOf('export const tool = 5;');
    await expect(open([{ module, from: 'autogen' as never }])).rejects.toMatchObject({
      remedy: 'known: ai-sdk, openai-agents, langchain, mastra',
    });
    await expect(open([{ module }])).rejects.toThrow('tool.mjs: what it exports as "tool" is 5, so it is no tool');
    await expect(open([{ module, export: 'tol' }])).rejects.toThrow('exports no "tol" (it exports tool)');
    const nameless = await moduleOf('export const tool = { name: "x", execute: () => 1 };');
    await expect(open([{ module: nameless }])).rejects.toThrow('tools: the tool x has no description');
    await expect(open([{ topK: 3 } as never])).rejects.toThrow('tools: {"topK":3} names no tool');
    await expect(open(['tapo-tool-none'])).rejects.toThrow(
      'unknown tool "tapo-tool-none", and no such package is installed',
    );
    await expect(open([{ module: 'tapo-tool-none' }])).rejects.toMatchObject({ remedy: 'npm install tapo-tool-none' });
  });
});

describe('MCP servers', () => {
  it('a published server, started by the config and ended by close', { timeout: 60_000 }, async () => {
    vi.stubEnv('SCRIPT', everything);
    const { tools: made, close } = await open([
      { mcp: { command: process.execPath, args: ['${SCRIPT}'] }, include: ['echo'], as: 'parrot', costPerQuery: 1 },
    ]);
    expect(made.map(({ name }) => name)).toEqual(['parrot']);
    expect(await observe(made[0], 'hello')).toBe('Echo: hello');
    await close();
    expect(await callTool(made[0]!, 'hello')).toMatchObject({ status: 'error' });
  });

  it('what cannot be started is told, and so is a variable that is not set', async () => {
    await expect(open([{ mcp: { command: '/no/such/server' } }])).rejects.toThrow(
      'tools: MCP server /no/such/server: The MCP server cannot be reached',
    );
    await expect(open([{ mcp: 5 as never }])).rejects.toThrow('mcp is 5, wanted a URL or a command');
    await expect(open([{ mcp: 'http://x', headers: { authorization: 'Bearer ${NO_SUCH}' } }])).rejects.toThrow(
      'environment variable NO_SUCH, which is not set',
    );
  });
});

it('an index of SQLite is told from one of JSON', async () => {
  const { buildSqliteIndex } = await import('@tapo/tools/search-sqlite');
  const index = join(await mkdtemp(join(tmpdir(), 'tapo-index-')), 'passages');
  await buildSqliteIndex(index, [{ title: 'Chad', text: 'Chad lies in Africa.' }]);
  const { tools: made, close } = await open([{ name: 'search', index }]);
  expect(await observe(made[0], 'Chad')).toBe('Doc 1: Chad lies in Africa.');
  await close();
  await expect(open([{ name: 'search', index: '/no/index' }])).rejects.toMatchObject({
    remedy: 'make one: tapo data index IN.jsonl OUT.sqlite',
  });
});

it('secrets of a config do not reach the run directory, names of variables do', () => {
  const config = configOf({
    tools: [
      { name: 'serper', apiKey: 'hidden-1', topK: 2 },
      { mcp: 'https://x', headers: { authorization: 'hidden-2', 'x-api-key': '${KEY}', accept: 'json' } },
      { mcp: { command: 'server', env: { GITHUB_TOKEN: 'hidden-3', LEVEL: 'high' } } },
    ],
    cache: { store: 'redis', url: 'redis://user:hidden-4@cache:6379' },
  });
  const kept = serializableConfig(config);
  expect(JSON.stringify(kept)).not.toContain('hidden');
  expect(kept).toMatchObject({
    tools: [
      { name: 'serper', topK: 2 },
      { headers: { 'x-api-key': '${KEY}', accept: 'json' } },
      { mcp: { command: 'server', env: { LEVEL: 'high' } } },
    ],
    cache: { url: 'redis://user@cache:6379' },
  });
});
