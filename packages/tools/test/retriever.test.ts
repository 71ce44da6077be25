import { callTool } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import { createRetriever } from '@tapo/tools/retriever';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { json, startLocalServer } from './helpers/local-server.js';

const document = (contents: string) => ({ document: { id: '1', contents }, score: 0.5 });
const answers: Record<string, unknown> = {
  chad: [document('"Chad"\nA country\nin Africa.'), document('Lake\nA lake.')],
  bare: [{ contents: 'Bare\nWithout scores.' }],
  nothing: [],
  broken: [{ document: {} }],
  wrong: 'not a list',
};
let server: Awaited<ReturnType<typeof startLocalServer>>;
beforeAll(async () => {
  server = await startLocalServer((response, received) => {
    const { queries } = received.body as { queries: string[] };
    if (queries.includes('slow')) return;
    json({ result: queries.map((query) => answers[query] ?? []) })(response, received);
  });
});
afterAll(() => server.close());

toolConformance('retriever', () => createRetriever({ url: server.url, retries: 0, maxBatchSize: 1 }), {
  test: it,
  cases: [
    { input: 'chad', observation: /^Doc 1: Chad A country in Africa\.\nDoc 2: Lake A lake\.$/ },
    { input: 'bare', observation: /^Doc 1: Bare Without scores\.$/ },
    { input: 'nothing', observation: 'No documents found.' },
    { input: 'broken', status: 'error', observation: 'wrong shape' },
    { input: 'wrong', status: 'error', observation: 'wanted {result: [[…]]} with 1 lists' },
  ],
  slow: { input: 'slow', timeoutMs: 50 },
});

it('concurrent queries share a request, and each gets its own answer', async () => {
  server.received.length = 0;
  const tool = createRetriever({ url: server.url, topK: 5, maxBatchSize: 3, batchDelayMs: 20 });
  const queries = ['chad', 'bare', 'nothing', 'chad', 'bare'];
  const results = await Promise.all(queries.map((query) => callTool(tool, query)));
  // 5 queries in batches of at most 3
  expect(server.received.map(({ body }) => body)).toEqual([
    { queries: ['chad', 'bare', 'nothing'], topk: 5, return_scores: true },
    { queries: ['chad', 'bare'], topk: 5, return_scores: true },
  ]);
  expect(results.map(({ observation }) => observation.slice(0, 12))).toEqual([
    'Doc 1: Chad ',
    'Doc 1: Bare ',
    'No documents',
    'Doc 1: Chad ',
    'Doc 1: Bare ',
  ]);
  await tool.close?.();
});

it('a caller who gives up leaves the batch to the others', async () => {
  const tool = createRetriever({ url: server.url, batchDelayMs: 20 });
  const controller = new AbortController();
  const [given, kept] = [callTool(tool, 'bare', { signal: controller.signal }), callTool(tool, 'chad')];
  await new Promise((resolve) => setImmediate(resolve));
  controller.abort();
  expect((await given).status).toBe('error');
  expect((await kept).observation).toContain('Doc 1: Chad');
  await tool.close?.();
});
