import { inspect } from 'node:util';
import { callTool } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import { createSerper } from '@tapo/tools/serper';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { json, startLocalServer } from './helpers/local-server.js';

const answers: Record<string, unknown> = {
  'capital of chad': {
    knowledgeGraph: { title: "N'Djamena", description: 'Capital of Chad.' },
    organic: [
      { title: 'Chad', snippet: 'A country.' },
      { title: 'No snippet' },
      { title: 'Lake', snippet: 'A lake.' },
      { title: 'More', snippet: 'Beyond top 3.' },
    ],
  },
  nothing: { organic: [] },
  odd: { organic: [null, 7, { title: 3, snippet: 'Only text.' }] },
  wrong: { message: 'hi' },
};
let server: Awaited<ReturnType<typeof startLocalServer>>;
beforeAll(async () => {
  server = await startLocalServer((response, received) => {
    const query = (received.body as { q: string }).q;
    if (query === 'slow') return;
    json(answers[query] ?? { organic: [] })(response, received);
  });
});
afterAll(() => server.close());

const create = () => createSerper({ apiKey: 'the-key', url: server.url, retries: 0 });

toolConformance('serper', create, {
  test: it,
  cases: [
    {
      input: 'capital of chad',
      observation: /^Doc 1: N'Djamena Capital of Chad\.\nDoc 2: Chad A country\.\nDoc 3: Lake A lake\.$/,
    },
    { input: 'nothing', observation: 'No documents found.' },
    { input: 'odd', observation: /^Doc 1: Only text\.$/ },
    {
      input: 'wrong',
      status: 'error',
      observation: 'wrong shape: wanted {organic: []} or {knowledgeGraph: {}}, got {"message":"hi"}',
    },
    { input: 'x', status: 'refused', observation: '1 characters' },
  ],
  slow: { input: 'slow', timeoutMs: 50 },
});

it('asks as Serper wants to be asked', async () => {
  server.received.length = 0;
  await callTool(create(), ' capital of chad ');
  expect(server.received).toMatchObject([
    { method: 'POST', body: { q: 'capital of chad', num: 3 }, headers: { 'x-api-key': 'the-key' } },
  ]);
});

it('wants a key, and never shows it', async () => {
  expect(() => createSerper({ apiKey: '' })).toThrow('got no apiKey');
  expect(inspect(create(), { depth: 10, showHidden: true })).not.toContain('the-key');
});
