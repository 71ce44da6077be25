import { callTool } from '@tapo/tools';
import { createCodeServer } from '@tapo/tools/code-server';
import { toolConformance } from '@tapo/tools/conformance';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { json, startLocalServer } from './helpers/local-server.js';

const answers: Record<string, unknown> = {
  'print(42)': { stdout: '42\n', finished: true, time: 0.01 },
  pass: { stdout: '', finished: true, time: 0.01 },
  'while True: pass': { stdout: 'so far\n', finished: false, time: 2 },
  long: { stdout: 'a'.repeat(10_000), finished: true, time: 0.1 },
  wrong: { output: '42' },
};
let server: Awaited<ReturnType<typeof startLocalServer>>;
beforeAll(async () => {
  server = await startLocalServer((response, received) => {
    const { code } = received.body as { code: string };
    if (code !== 'slow') json(answers[code] ?? { stdout: '', finished: true, time: 0 })(response, received);
  });
});
afterAll(() => server.close());

const create = () => createCodeServer({ url: `${server.url}/run`, retries: 0 });

toolConformance('code server', create, {
  test: it,
  cases: [
    { input: 'print(42)', observation: /^42$/ },
    { input: 'pass', observation: 'printed nothing. Use print(x)' },
    {
      input: 'while True: pass',
      status: 'timeout',
      observation: /^so far\nTime limit exceeded: the code ran longer than 2 s\.$/,
    },
    { input: 'long', observation: /^a+\n… \[8000 characters left out\] …\na+$/ },
    { input: 'wrong', status: 'error', observation: 'wanted {stdout: string, finished: boolean}, got {"output":"42"}' },
  ],
  slow: { input: 'slow', timeoutMs: 50 },
});

it('posts the code to /run', async () => {
  server.received.length = 0;
  await callTool(create(), 'print(42)');
  expect(server.received).toMatchObject([{ method: 'POST', path: '/run', body: { code: 'print(42)' } }]);
});
