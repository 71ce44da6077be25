import { callTool, ToolError } from '@tapo/tools';
import { cached, createMemoryStore } from '@tapo/tools/cache';
import type { CachedOptions, CacheStore } from '@tapo/tools/cache';
import { toolConformance } from '@tapo/tools/conformance';
import { createSearch } from '@tapo/tools/search';
import type { SearchTool } from '@tapo/tools/search';
import { expect, it } from 'vitest';

const documents = [
  { title: 'Chad', text: 'Chad lies in Africa.' },
  { title: 'Mali', text: 'Mali lies in Africa.' },
];

toolConformance('cached search', () => cached(createSearch({ documents })), {
  test: it,
  cases: [
    { input: 'Chad', observation: /^Doc 1: Chad lies in Africa\.$/ },
    { input: 'Mali', observation: /^Doc 1: Mali lies in Africa\.$/ },
    { input: 'x', status: 'refused', observation: '1 characters' },
  ],
});

/** A search that echoes its query and counts its calls, with a cache around it. */
function counted(options: CachedOptions = {}, more: Partial<SearchTool> = {}) {
  const calls: string[] = [];
  const inner = createSearch({ documents });
  const tool = cached(
    {
      ...inner,
      execute: async (query) => {
        calls.push(query);
        await new Promise((resolve) => setImmediate(resolve));
        return [{ title: '', text: `${calls.length}: ${query}` }];
      },
      ...more,
    },
    options,
  );
  const ask = async (query: string, signal?: AbortSignal) => (await callTool(tool, query, { signal })).observation;
  return { tool, calls, ask };
}

it('answers the same query from the cache', async () => {
  const { tool, ask } = counted();
  expect(await ask('capital of Chad')).toBe('Doc 1: 1: capital of Chad');
  expect(await ask(' capital of Chad\n')).toBe('Doc 1: 1: capital of Chad');
  expect(tool.counts()).toEqual({ exact: 1, fuzzy: 0, miss: 1, coalesced: 0, externalQueries: 1, storeErrors: 0 });
});

it('answers a similar query from the cache', async () => {
  const { tool, ask } = counted();
  await ask('what is the capital of Chad?');
  expect(await ask('What is the capital of chad')).toBe('Doc 1: 1: what is the capital of Chad?');
  expect(tool.counts()).toMatchObject({ exact: 0, fuzzy: 1, miss: 1, externalQueries: 1 });
});

it('asks again for other names and other numbers', async () => {
  const { tool, ask } = counted();
  for (const query of ['area of Niger in 1990', 'area of Nigeria in 1990', 'area of Niger in 1991']) {
    expect(await ask(query)).toContain(query);
  }
  expect(tool.counts()).toMatchObject({ fuzzy: 0, miss: 3 });
});

it('can do without fuzzy hits', async () => {
  const { tool, ask } = counted({ minSimilarity: Infinity });
  await ask('capital of Chad?');
  await ask('capital of Chad');
  expect(tool.counts()).toMatchObject({ fuzzy: 0, miss: 2 });
});

it('keeps other top-k and other scopes apart in one store', async () => {
  const store = createMemoryStore();
  const [a, b, c] = [counted({ store }), counted({ store }, { topK: 5 }), counted({ store, scope: 'other' })];
  for (const { ask } of [a, b, c]) await ask('capital of Chad');
  for (const { tool } of [a, b, c]) expect(tool.counts().miss).toBe(1);
  const d = counted({ store });
  await d.ask('capital of Chad');
  expect(d.tool.counts()).toMatchObject({ exact: 1, miss: 0 });
});

it('forgets after its time to live', async () => {
  let time = 0;
  const { tool, ask } = counted({ ttlMs: 1_000, now: () => time });
  await ask('capital of Chad');
  time = 999;
  await ask('capital of Chad');
  expect(tool.counts()).toMatchObject({ exact: 1, miss: 1 });
  time = 1_000;
  await ask('capital of Chad');
  expect(tool.counts()).toMatchObject({ exact: 1, miss: 2 });
});

it('the memory store drops what was used longest ago', () => {
  const store = createMemoryStore({ maxEntries: 2 });
  store.set('a', 1, { ttlMs: 1 });
  store.set('b', 2, { ttlMs: 1 });
  store.get('a');
  store.set('c', 3, { ttlMs: 1 });
  expect(['a', 'b', 'c'].map((key) => store.get(key))).toEqual([1, undefined, 3]);
});

it('concurrent calls of one query share one call of the tool', async () => {
  const { tool, calls, ask } = counted();
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask('capital of Chad')));
  expect(new Set(answers)).toEqual(new Set(['Doc 1: 1: capital of Chad']));
  expect(calls).toHaveLength(1);
  expect(tool.counts()).toMatchObject({ miss: 1, coalesced: 7, externalQueries: 1 });
});

it('a shared call is aborted when the last caller has given up, and a new one then starts anew', async () => {
  const aborted: boolean[] = [];
  let starts = 0;
  const { ask } = counted(
    {},
    {
      execute: (query, { signal }) =>
        new Promise((resolve, reject) => {
          starts += 1;
          if (starts > 1) return resolve([{ title: '', text: query }]);
          signal.addEventListener('abort', () => {
            aborted.push(true);
            setTimeout(() => reject(new Error('late')), 20);
          });
        }),
    },
  );
  const [first, second] = [new AbortController(), new AbortController()];
  const [a, b] = [ask('capital of Chad', first.signal), ask('capital of Chad', second.signal)];
  await new Promise((resolve) => setTimeout(resolve, 5));
  first.abort();
  expect(await a).toContain('cancelled');
  expect(aborted).toEqual([]);
  second.abort();
  expect(await b).toContain('cancelled');
  expect(aborted).toEqual([true]);
  expect(await ask('capital of Chad')).toBe('Doc 1: capital of Chad');
});

it('failures are not kept, refusals are no external queries', async () => {
  let fail: Error | undefined = new Error('down');
  const { tool, ask } = counted(
    {},
    {
      execute: async (query) => {
        if (fail) throw fail;
        return [{ title: '', text: query }];
      },
    },
  );
  expect(await ask('capital of Chad')).toContain('failed: down');
  fail = new ToolError('refused', 'Too long.');
  expect(await ask('capital of Chad')).toBe('Too long.');
  fail = undefined;
  expect(await ask('capital of Chad')).toBe('Doc 1: capital of Chad');
  expect(tool.counts()).toMatchObject({ miss: 3, externalQueries: 2 });
});

it('a store that fails, or holds something else, costs a miss and no search', async () => {
  const failing: CacheStore = {
    get: () => Promise.reject(new Error('no route')),
    set: () => Promise.reject(new Error('full')),
  };
  const broken = counted({ store: failing });
  expect(await broken.ask('capital of Chad')).toBe('Doc 1: 1: capital of Chad');
  // two reads and one write
  expect(broken.tool.counts()).toMatchObject({ miss: 1, storeErrors: 3 });
  const odd = counted({ store: { get: () => ({ query: 'capital of Chad', hits: 'none' }), set: () => {} } });
  expect(await odd.ask('capital of Chad')).toBe('Doc 1: 1: capital of Chad');
});

it('is closed with its tool and its store', async () => {
  const closed: string[] = [];
  const close = (what: string) => async () => void closed.push(what);
  const { tool } = counted({ store: { ...createMemoryStore(), close: close('store') } }, { close: close('tool') });
  await tool.close?.();
  expect(closed).toEqual(['tool', 'store']);
});
