import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import type { SearchHit, SearchTool } from './search-tool.js';
import { areSimilar, similarityKey } from './similar-queries.js';
import { isToolError } from './tool.js';
import type { ToolContext } from './tool.js';

/**
 * Where a cache keeps its entries: values are JSON, keys are 64 hexadecimal digits. May forget at any time; whatever it
 * throws counts as a miss and never fails a search.
 */
export interface CacheStore {
  get(key: string): unknown;
  set(key: string, value: unknown, options: { ttlMs: number }): unknown;
  close?(): Promise<void>;
}

export interface CacheCounts {
  /** answered by an entry of the very same query */
  exact: number;
  /** answered by the entry of a similar query */
  fuzzy: number;
  /** answered by the tool */
  miss: number;
  /** answered by a call of the tool that was already under way for the same query */
  coalesced: number;
  /** calls of the tool that were not refused; counts failed ones */
  externalQueries: number;
  /** failures of the store */
  storeErrors: number;
}

export interface CachedOptions {
  /** default: in memory */
  store?: CacheStore;
  /** METHOD §5: 7 days */
  ttlMs?: number;
  /** in [0, 1] (METHOD §5: 0.9); Infinity switches fuzzy hits off */
  minSimilarity?: number;
  /** keeps the entries of different services apart in one store */
  scope?: string;
  /** milliseconds since 1970 */
  now?: () => number;
}

/** A search tool with a cache around it. */
export interface CachedSearchTool extends SearchTool {
  /** since the cache was made, as a copy */
  counts(): CacheCounts;
}

interface Entry {
  query: string;
  hits: SearchHit[];
  storedAtMs: number;
}

/**
 * Gives a search tool a cache: exact hits first, then hits of a similar query with the same `topK`; `areSimilar` in
 * similar-queries.ts has the rule, and why hits never cross different names or numbers. Failures are not kept.
 * @throws TypeError for what is no search tool, RangeError for limits that are none
 */
export function cached(
  tool: SearchTool,
  {
    store = createMemoryStore(),
    ttlMs = 7 * 24 * 3_600_000,
    minSimilarity = 0.9,
    scope = tool?.name,
    now = Date.now,
  }: CachedOptions = {},
): CachedSearchTool {
  if (typeof tool?.execute !== 'function' || typeof tool.toObservation !== 'function' || !(tool.topK >= 1)) {
    const got = inspect(tool, { depth: 0, breakLength: Infinity });
    throw new TypeError(`cached: got the tool ${got}, wanted a search tool: createSearch, createSerper, … make one`);
  }
  if (!((minSimilarity >= 0 && minSimilarity <= 1) || minSimilarity === Infinity)) {
    const got = inspect(minSimilarity);
    throw new RangeError(`cached: got minSimilarity ${got}, wanted 0 to 1, or Infinity for no hits of similar queries`);
  }
  if (!(ttlMs > 0)) throw new RangeError(`cached: got ttlMs ${inspect(ttlMs)}, wanted more than 0`);
  const counts: CacheCounts = { exact: 0, fuzzy: 0, miss: 0, coalesced: 0, externalQueries: 0, storeErrors: 0 };
  const underWay = new Map<string, SharedCall<SearchHit[]>>();
  const keyOf = (kind: 'exact' | 'similar', text: string) =>
    createHash('sha256')
      .update(JSON.stringify([scope, tool.topK, kind, text]))
      .digest('hex');

  /** undefined if there is none, or if it is too old or broken */
  const read = async (key: string): Promise<Entry | undefined> => {
    try {
      const entry = await store.get(key);
      return isEntry(entry) && now() - entry.storedAtMs < ttlMs ? entry : undefined;
    } catch {
      counts.storeErrors += 1;
      return undefined;
    }
  };
  const write = async (entry: Entry): Promise<void> => {
    try {
      await store.set(keyOf('exact', entry.query), entry, { ttlMs });
      await store.set(keyOf('similar', similarityKey(entry.query)), entry, { ttlMs });
    } catch {
      counts.storeErrors += 1;
    }
  };
  const askTool = async (query: string, context: ToolContext): Promise<SearchHit[]> => {
    counts.externalQueries += 1;
    try {
      const hits = await tool.execute(query, context);
      await write({ query, hits, storedAtMs: now() });
      return hits;
    } catch (error) {
      if (isToolError(error) && error.status === 'refused') counts.externalQueries -= 1;
      throw error;
    }
  };

  return {
    ...tool,
    counts: () => ({ ...counts }),
    async execute(input, context) {
      const query = input.trim();
      const exact = await read(keyOf('exact', query));
      if (exact?.query === query) {
        counts.exact += 1;
        return exact.hits;
      }
      const similar = await read(keyOf('similar', similarityKey(query)));
      if (similar && areSimilar(query, similar.query, minSimilarity)) {
        counts.fuzzy += 1;
        return similar.hits;
      }
      const call = underWay.get(query);
      if (call && !call.abandoned()) {
        counts.coalesced += 1;
        return call.join(context.signal);
      }
      counts.miss += 1;
      const started = shareCall((signal) => askTool(query, { ...context, signal }));
      underWay.set(query, started);
      void started.ended.then(() => underWay.get(query) === started && underWay.delete(query));
      return started.join(context.signal);
    },
    async close() {
      await tool.close?.();
      await store.close?.();
    },
  };
}

function isEntry(value: unknown): value is Entry {
  const { query, hits, storedAtMs } = (value ?? {}) as Partial<Entry>;
  return typeof query === 'string' && typeof storedAtMs === 'number' && Array.isArray(hits);
}

interface SharedCall<Result> {
  /** the result, or the reason of `signal` once it fires */
  join(signal: AbortSignal): Promise<Result>;
  ended: Promise<void>;
  /** nobody waits any more: it is being aborted */
  abandoned(): boolean;
}

/** One call for several callers: aborted when the last of them has given up. */
function shareCall<Result>(start: (signal: AbortSignal) => Promise<Result>): SharedCall<Result> {
  const controller = new AbortController();
  const result = start(controller.signal);
  const nothing = () => {};
  let waiting = 0;
  return {
    ended: result.then(nothing, nothing),
    abandoned: () => controller.signal.aborted,
    join(signal) {
      waiting += 1;
      const givenUp = new Promise<never>((_, reject) => {
        const onAbort = () => {
          waiting -= 1;
          if (waiting === 0) controller.abort(signal.reason);
          reject(signal.reason);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        result.catch(nothing).then(() => signal.removeEventListener('abort', onAbort));
      });
      return Promise.race([result, givenUp]);
    },
  };
}

/** Keeps the most recently used entries; each query takes two. */
export function createMemoryStore({ maxEntries = 20_000 }: { maxEntries?: number } = {}): CacheStore {
  const entries = new Map<string, unknown>();
  return {
    get(key) {
      const value = entries.get(key);
      if (value === undefined) return undefined;
      entries.delete(key);
      entries.set(key, value);
      return value;
    },
    set(key, value) {
      entries.delete(key);
      entries.set(key, value);
      const oldest = entries.size > maxEntries ? entries.keys().next() : undefined;
      if (oldest && !oldest.done) entries.delete(oldest.value);
    },
  };
}
