import { inspect } from 'node:util';
import { callTool } from '@tapo/tools';
import { createBrave } from '@tapo/tools/brave';
import { toolConformance } from '@tapo/tools/conformance';
import type { SearchTool } from '@tapo/tools/search';
import { createSearxng } from '@tapo/tools/searxng';
import { createTavily } from '@tapo/tools/tavily';
import { createWikipedia } from '@tapo/tools/wikipedia';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { json, startLocalServer } from './helpers/local-server.js';
import type { ReceivedRequest } from './helpers/local-server.js';

interface Service {
  create: (url: string) => SearchTool;
  /** how the service is asked for "chad", as far as it matters */
  request: Partial<ReceivedRequest>;
  chad: unknown;
  nothing: unknown;
}

const services: Record<string, Service> = {
  brave: {
    create: (url) => createBrave({ apiKey: 'the-key', url, retries: 0 }),
    request: {
      method: 'GET',
      path: '/?q=chad&count=3&text_decorations=false',
      headers: { 'x-subscription-token': 'the-key' },
    },
    chad: {
      type: 'search',
      web: {
        results: [
          { title: 'Chad', description: 'A <b>country</b> &amp; a &#x27;lake&#x27;.' },
          { title: 'Lake', description: 'A lake.' },
        ],
      },
    },
    nothing: { type: 'search' },
  },
  tavily: {
    create: (url) => createTavily({ apiKey: 'the-key', url, retries: 0 }),
    request: { method: 'POST', body: { query: 'chad', max_results: 3 }, headers: { authorization: 'Bearer the-key' } },
    chad: {
      results: [
        { title: 'Chad', content: "A country & a 'lake'." },
        { title: 'Lake', content: 'A lake.' },
      ],
    },
    nothing: { results: [] },
  },
  searxng: {
    create: (url) => createSearxng({ url, headers: { 'x-token': 'the-key' }, retries: 0 }),
    request: { method: 'GET', path: '/search?q=chad&format=json&language=en' },
    chad: {
      results: [
        { title: 'Chad', content: "A country &amp; a 'lake'." },
        { title: 'Lake', content: 'A lake.' },
      ],
    },
    nothing: { results: [] },
  },
  wikipedia: {
    create: (url) => createWikipedia({ userAgent: 'test/1 (test@localhost)', url, retries: 0 }),
    request: {
      method: 'GET',
      path: expect.stringContaining('gsrsearch=chad&gsrlimit=3') as string,
      headers: { 'user-agent': 'test/1 (test@localhost)' },
    },
    chad: {
      query: {
        pages: [
          { title: 'Lake', index: 2, extract: 'A lake.' },
          { title: 'Chad', index: 1, extract: "A country & a 'lake'." },
        ],
      },
    },
    nothing: { batchcomplete: true },
  },
};

describe.each(Object.entries(services))('%s', (name, { create, request, chad, nothing }) => {
  let server: Awaited<ReturnType<typeof startLocalServer>>;
  beforeAll(async () => {
    server = await startLocalServer((response, received) => {
      const asked = decodeURIComponent(received.path) + JSON.stringify(received.body ?? '');
      if (asked.includes('slow')) return;
      if (asked.includes('wrong')) json({ error: { info: 'no' } })(response, received);
      else json(asked.includes('chad') ? chad : nothing)(response, received);
    });
  });
  afterAll(() => server.close());

  toolConformance(name, () => create(server.url), {
    test: it,
    cases: [
      { input: 'chad', observation: /^Doc 1: Chad A country & a 'lake'\.\nDoc 2: Lake A lake\.$/ },
      { input: 'nothing', observation: 'No documents found.' },
      { input: 'wrong', status: 'error', observation: 'answered with a wrong shape: wanted {' },
      { input: 'x', status: 'refused', observation: '1 characters' },
    ],
    slow: { input: 'slow', timeoutMs: 50 },
  });

  it('is asked as it wants to be asked, and never shows its key', async () => {
    server.received.length = 0;
    const tool = create(server.url);
    await callTool(tool, 'chad');
    expect(server.received).toMatchObject([request]);
    expect(inspect(tool, { depth: 10, showHidden: true })).not.toContain('the-key');
    await tool.close?.();
  });
});

it('what a service needs is asked for at once', () => {
  expect(() => createBrave({ apiKey: '' })).toThrow('got no apiKey');
  expect(() => createTavily({ apiKey: '' })).toThrow('got no apiKey');
  expect(() => createWikipedia({ userAgent: '' })).toThrow('got no userAgent');
});
