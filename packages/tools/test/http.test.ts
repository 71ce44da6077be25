import { ToolError } from '@tapo/tools';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttpClient } from '../src/http.js';
import type { HttpOptions } from '../src/http.js';
import { inTurn, json, startLocalServer } from './helpers/local-server.js';

let server: Awaited<ReturnType<typeof startLocalServer>>;
beforeEach(async () => {
  server = await startLocalServer(json({ ok: true }));
});
afterEach(() => server.close());

const never = new AbortController().signal;
const call = async (options: HttpOptions = {}, secrets: string[] = [], signal = never) => {
  const http = createHttpClient({ backoffMs: 1, timeoutMs: 2_000, ...options }, secrets);
  try {
    return await http.json({
      url: `${server.url}/path?key=hidden`,
      body: { q: 1 },
      headers: { 'x-api-key': 'k' },
      signal,
    });
  } finally {
    await http.close();
  }
};
const failure = (options?: HttpOptions, secrets?: string[]) =>
  call(options, secrets).then(
    () => Promise.reject(new Error('wanted a failure')),
    (error: unknown) => {
      expect(error).toBeInstanceOf(ToolError);
      return error as ToolError;
    },
  );
const host = () => new URL(server.url).host;

it('posts JSON, gets JSON', async () => {
  expect(await call()).toEqual({ ok: true });
  expect(server.received).toMatchObject([
    {
      method: 'POST',
      path: '/path?key=hidden',
      body: { q: 1 },
      headers: { 'content-type': 'application/json', 'x-api-key': 'k' },
    },
  ]);
});

it('gets without a body', async () => {
  const http = createHttpClient();
  expect(await http.json({ url: server.url, signal: never })).toEqual({ ok: true });
  await http.close();
  expect(server.received[0]).toMatchObject({ method: 'GET', body: undefined });
});

describe('tries again', () => {
  it.each([408, 429, 500, 502, 503, 504])('after status %i', async (status) => {
    server.answer = inTurn(json({}, status), json({}, status), json({ ok: true }));
    expect(await call()).toEqual({ ok: true });
    expect(server.received).toHaveLength(3);
  });

  it('after a cut connection', async () => {
    server.answer = inTurn((response) => response.destroy(), json({ ok: true }));
    expect(await call()).toEqual({ ok: true });
  });

  it('after a connection cut in the middle of the body', async () => {
    const half = inTurn(
      (response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{"ok":');
        setTimeout(() => response.destroy(), 5);
      },
      json({ ok: true }),
    );
    server.answer = half;
    expect(await call()).toEqual({ ok: true });
  });

  it('after a time-out', async () => {
    server.answer = inTurn(() => {}, json({ ok: true }));
    expect(await call({ timeoutMs: 50 })).toEqual({ ok: true });
  });

  it('but not for ever', async () => {
    server.answer = json({ error: 'down' }, 500);
    expect((await failure()).message).toBe(`The service ${host()}/path answered 500: {"error":"down"} (3 attempts).`);
    expect(server.received).toHaveLength(3);
  });

  it('with waits that double', async () => {
    server.answer = json({}, 500);
    const started = performance.now();
    // 20·2^0 + 20·2^1 + 20·2^2 = 140 ms with random() = 1
    await failure({ retries: 3, backoffMs: 20, random: () => 1 });
    expect(performance.now() - started).toBeGreaterThanOrEqual(138);
  });
});

describe('Retry-After', () => {
  it('in seconds is waited for', async () => {
    server.answer = inTurn(json({}, 429, { 'retry-after': '0' }), json({ ok: true }));
    // a back-off of a minute would run into the test's time limit
    expect(await call({ backoffMs: 60_000, maxBackoffMs: 120_000 })).toEqual({ ok: true });
  });

  it('as a date is waited for', async () => {
    const date = 'Wed, 21 Oct 2015 07:28:00 GMT';
    server.answer = inTurn(json({}, 503, { 'retry-after': date }), json({ ok: true }));
    const started = performance.now();
    expect(await call({ backoffMs: 60_000, now: () => Date.parse(date) - 40 })).toEqual({ ok: true });
    expect(performance.now() - started).toBeGreaterThanOrEqual(38);
  });

  it('beyond the longest wait ends the call at once', async () => {
    server.answer = json({}, 429, { 'retry-after': '3600' });
    expect((await failure()).message).toBe(`The service ${host()}/path answered 429: {} (asks to wait 3600 s).`);
    expect(server.received).toHaveLength(1);
  });

  it('that makes no sense is passed over', async () => {
    server.answer = inTurn(json({}, 429, { 'retry-after': 'soon' }), json({ ok: true }));
    expect(await call()).toEqual({ ok: true });
  });
});

describe('does not try again', () => {
  it.each([
    ['a request that is wrong', json({ message: 'bad q' }, 400), 'answered 400: {"message":"bad q"}.'],
    ['a key that is wrong', json('no', 401), 'answered 401; check the API key: "no".'],
    [
      'a redirect',
      json({}, 302, { location: 'http://elsewhere/' }),
      'redirected (302) to http://elsewhere/; set the URL to where the service is.',
    ],
  ] as const)('%s', async (_, answer, message) => {
    server.answer = answer;
    expect((await failure()).message).toBe(`The service ${host()}/path ${message}`);
    expect(server.received).toHaveLength(1);
  });

  it('invalid JSON', async () => {
    server.answer = (response) => response.end('<html>Sorry\n</html>');
    expect((await failure()).message).toBe(`The service ${host()}/path answered invalid JSON: <html>Sorry </html>.`);
    server.answer = (response) => response.end();
    expect((await failure()).message).toContain('answered invalid JSON: nothing');
  });
});

it('a time-out says so, with its own status', async () => {
  server.answer = () => {};
  const { status, message } = await failure({ timeoutMs: 30, retries: 1 });
  expect(status).toBe('timeout');
  expect(message).toBe(`The service ${host()}/path did not answer within 0.03 s (2 attempts).`);
});

it('a body that trickles is held to the same time-out', async () => {
  server.answer = (response) => {
    const timer = setInterval(() => response.write(' '), 5);
    response.on('close', () => clearInterval(timer));
  };
  expect((await failure({ timeoutMs: 60, retries: 0 })).status).toBe('timeout');
});

it('a body of 10 MB is cut off, announced or not', async () => {
  const block = Buffer.alloc(100_000, ' ');
  let sent = 0;
  server.answer = (response) => {
    sent = 0;
    const write = () => {
      while (sent < 10_000_000 && !response.destroyed) {
        sent += block.length;
        if (!response.write(block)) return void response.once('drain', write);
      }
      response.end();
    };
    write();
  };
  expect((await failure({ maxBodyBytes: 1_000_000 })).message).toContain('answered more than 1000000 bytes');
  expect(sent).toBeLessThan(10_000_000);
  server.answer = (response) => {
    response.writeHead(200, { 'content-length': '10000000' });
    response.write(block);
  };
  expect((await failure({ maxBodyBytes: 1_000_000 })).message).toContain('answered more than 1000000 bytes');
});

it('a server that is not there', async () => {
  await server.close();
  expect((await failure()).message).toBe(
    `The service ${host()}/path could not be reached (ECONNREFUSED) (3 attempts).`,
  );
});

it('secrets are never repeated', async () => {
  server.answer = json({ error: 'bad key s3cr3t' }, 403);
  const { message } = await failure({}, ['s3cr3t', '']);
  expect(message).toContain('bad key [secret]');
  expect(message).not.toMatch(/s3cr3t|hidden/);
});

it('keeps to its concurrency', async () => {
  server.answer = (response) => setTimeout(() => response.end('{}'), 10);
  const http = createHttpClient({ concurrency: 3 });
  await Promise.all(Array.from({ length: 12 }, () => http.json({ url: server.url, signal: never })));
  await http.close();
  expect(server.maxActive).toBe(3);
});

it('an aborted call ends at once, waiting or not', async () => {
  server.answer = () => {};
  await expect(call({}, [], AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  expect(server.received).toHaveLength(0);
  const controller = new AbortController();
  const pending = call({}, [], controller.signal);
  setTimeout(() => controller.abort(new Error('stop')), 20);
  await expect(pending).rejects.toThrow('stop');
  server.answer = json({}, 500);
  const waiting = call({ backoffMs: 60_000, maxBackoffMs: 120_000 }, [], AbortSignal.timeout(30));
  await expect(waiting).rejects.toThrow(/abort/i);
});
