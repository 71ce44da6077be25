import type { CreateBraveOptions } from '@tapo/tools/brave';
import type { CreateCodeServerOptions } from '@tapo/tools/code-server';
import type { CreateJavascriptOptions } from '@tapo/tools/javascript';
import type { PythonOptions } from '@tapo/tools/python';
import type { CreateRetrieverOptions } from '@tapo/tools/retriever';
import type { CreateSearchOptions, SearchToolOptions } from '@tapo/tools/search';
import type { CreateSearxngOptions } from '@tapo/tools/searxng';
import type { CreateSerperOptions } from '@tapo/tools/serper';
import type { CreateTavilyOptions } from '@tapo/tools/tavily';
import type { CreateWikipediaOptions } from '@tapo/tools/wikipedia';
import { closest } from 'fastest-levenshtein';
import { UsageError } from '../cli/command.js';

const kinds = {
  text: (value: unknown) => typeof value === 'string',
  number: (value: unknown) => typeof value === 'number',
  boolean: (value: unknown) => typeof value === 'boolean',
  list: Array.isArray,
  object: (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value),
  function: (value: unknown) => typeof value === 'function',
  anything: () => true,
};
type Kind = keyof typeof kinds;

/** Every option of an adapter but its name, which the entry has: one that is missing or misspelt here does not compile. */
type Kinds<Options> = Record<Exclude<keyof Options, 'name'>, Kind>;

const searching: Kinds<SearchToolOptions> = {
  description: 'text',
  topK: 'number',
  minQueryLength: 'number',
  maxQueryLength: 'number',
  maxHitLength: 'number',
};
type HttpOptions = Omit<CreateSerperOptions, keyof SearchToolOptions | 'apiKey' | 'url'>;
const http: Kinds<HttpOptions> = {
  timeoutMs: 'number',
  retries: 'number',
  backoffMs: 'number',
  maxBackoffMs: 'number',
  concurrency: 'number',
  maxBodyBytes: 'number',
  dispatcher: 'object',
  random: 'function',
  now: 'function',
};
const service = { ...searching, ...http, url: 'text' } as const;

const optionsOf = {
  search: { ...searching, documents: 'text', index: 'text' } satisfies Kinds<CreateSearchOptions>,
  python: {
    description: 'text',
    workers: 'number',
    spares: 'number',
    timeLimitMs: 'number',
    memoryLimitBytes: 'number',
    fileLimitBytes: 'number',
    maxOutputLength: 'number',
    maxCallsPerRollout: 'number',
    lifetime: 'text',
    keptLimitBytes: 'number',
    showValue: 'boolean',
    modules: 'list',
    packages: 'list',
    packageSource: 'text',
    files: 'boolean',
    seed: 'anything',
    layers: 'text',
    cacheDirectory: 'text',
    onProgress: 'function',
  } satisfies Kinds<PythonOptions>,
  javascript: {
    description: 'text',
    timeLimitMs: 'number',
    memoryLimitBytes: 'number',
    maxOutputLength: 'number',
    showLastValue: 'boolean',
    concurrency: 'number',
    lifetime: 'text',
    seed: 'number',
    nowMs: 'number',
  } satisfies Kinds<CreateJavascriptOptions>,
  'code-server': {
    ...http,
    url: 'text',
    headers: 'object',
    description: 'text',
    timeLimitMs: 'number',
    maxOutputLength: 'number',
  } satisfies Kinds<CreateCodeServerOptions>,
  serper: { ...service, apiKey: 'text' } satisfies Kinds<CreateSerperOptions>,
  brave: { ...service, apiKey: 'text' } satisfies Kinds<CreateBraveOptions>,
  tavily: { ...service, apiKey: 'text' } satisfies Kinds<CreateTavilyOptions>,
  searxng: { ...service, headers: 'object', language: 'text' } satisfies Kinds<CreateSearxngOptions>,
  wikipedia: { ...service, userAgent: 'text', language: 'text' } satisfies Kinds<CreateWikipediaOptions>,
  retriever: {
    ...service,
    headers: 'object',
    maxBatchSize: 'number',
    batchDelayMs: 'number',
  } satisfies Kinds<CreateRetrieverOptions>,
};

/** @throws UsageError for an option of a built-in tool that it does not have, or whose value is of another kind */
export function checkToolOptions(tool: string, options: Readonly<Record<string, unknown>>): void {
  checkOptions(`the tool ${tool}`, options, optionsOf[tool as keyof typeof optionsOf]);
}

/** @throws UsageError for an option that `known` has not, or whose value is of another kind; undefined is no value */
export function checkOptions(owner: string, options: object, known: Readonly<Record<string, Kind>>): void {
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) {
      const names = Object.keys(known);
      const meant = closest(name, names);
      throw new UsageError(`${owner} has no option "${name}"; did you mean ${meant}?`, `it has ${names.join(', ')}`);
    }
    if (value !== undefined && !kinds[kind](value)) {
      throw new UsageError(
        `${name} of ${owner} is ${JSON.stringify(value)}, wanted ${kind === 'object' ? 'an' : 'a'} ${kind}`,
      );
    }
  }
}
