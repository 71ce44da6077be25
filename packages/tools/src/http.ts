import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import pLimit from 'p-limit';
import { Agent, request } from 'undici';
import type { Dispatcher } from 'undici';
import { elide } from './elide.js';
import { ToolError } from './tool.js';

/** What every HTTP adapter lets its user choose. */
export interface HttpOptions {
  /** of one attempt, from connecting to the last byte; the whole call is limited by `callTool` */
  timeoutMs?: number;
  /** further attempts after a cut connection, a time-out, or status 408, 429, 500, 502, 503, 504 */
  retries?: number;
  /** wait before the second attempt, doubled for each further one; `Retry-After` takes its place */
  backoffMs?: number;
  /** a server that asks for a longer wait is not asked again */
  maxBackoffMs?: number;
  /** requests at the same time; others wait */
  concurrency?: number;
  maxBodyBytes?: number;
  /** undici's: a proxy, a pool, a mock; the caller closes it */
  dispatcher?: Dispatcher;
  /** in [0, 1): spreads the waits */
  random?: () => number;
  /** milliseconds since 1970, to read `Retry-After` dates */
  now?: () => number;
}

interface JsonRequest {
  url: string | URL;
  /** sent as JSON by POST; without it a GET */
  body?: unknown;
  headers?: Record<string, string>;
  signal: AbortSignal;
}

interface HttpClient {
  /** @throws ToolError with a text for the policy's eyes: no secrets, no query string, no stack */
  json(request: JsonRequest): Promise<unknown>;
  close(): Promise<void>;
}

const RETRIED = new Set([408, 429, 500, 502, 503, 504]);

/** @throws TypeError unless `url` is where a service may be; `maker` is the function that got it */
export function checkUrl(maker: string, url: unknown): asserts url is string {
  if (typeof url === 'string' && /^https?:/.test(url) && URL.canParse(url)) return;
  throw new TypeError(`${maker}: got url ${JSON.stringify(url)}, wanted one that begins with http:// or https://`);
}

/** A failed attempt; `retryAfterMs` is what the server asked for. */
class AttemptError extends Error {
  constructor(
    message: string,
    readonly retried: boolean,
    readonly status: 'error' | 'timeout' = 'error',
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/**
 * JSON over HTTP for tools: limits, retries with exponential back-off, errors in one line.
 * Redirects are not followed: they would carry the API key to wherever the server points.
 * @param secrets never appear in an error, even if the server echoes them
 */
export function createHttpClient(
  {
    timeoutMs = 10_000,
    retries = 2,
    backoffMs = 500,
    maxBackoffMs = 20_000,
    concurrency = 8,
    maxBodyBytes = 4 * 2 ** 20,
    dispatcher,
    random = Math.random,
    now = Date.now,
  }: HttpOptions = {},
  secrets: readonly string[] = [],
): HttpClient {
  for (const [option, value] of Object.entries({ timeoutMs, retries, backoffMs, maxBackoffMs, maxBodyBytes })) {
    if (!(typeof value === 'number' && value >= 0)) {
      throw new TypeError(`got ${option} ${inspect(value)}, wanted a number of at least 0`);
    }
  }
  const agent = dispatcher ?? new Agent();
  const limit = pLimit(concurrency);
  const redact = (text: string) =>
    secrets.filter(Boolean).reduce((redacted, secret) => redacted.replaceAll(secret, '[secret]'), text);

  async function attempt({ url, body, headers, signal }: JsonRequest): Promise<unknown> {
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const response = await request(url, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.any([signal, deadline]),
        dispatcher: agent,
      });
      const { statusCode } = response;
      const text = await readBody(response, maxBodyBytes);
      if (statusCode >= 300 && statusCode < 400) {
        const target = String(response.headers['location'] ?? 'nowhere');
        throw new AttemptError(`redirected (${statusCode}) to ${target}; set the URL to where the service is`, false);
      }
      if (statusCode >= 400) {
        const asked = retryAfterMs(response.headers['retry-after'], now());
        const advice = statusCode === 401 || statusCode === 403 ? '; check the API key' : '';
        const said = elide(text.replace(/\s+/g, ' ').trim(), 200);
        throw new AttemptError(
          `answered ${statusCode}${advice}${said && `: ${said}`}`,
          RETRIED.has(statusCode),
          'error',
          asked,
        );
      }
      try {
        return JSON.parse(text);
      } catch {
        throw new AttemptError(
          `answered invalid JSON: ${elide(text.replace(/\s+/g, ' ').trim(), 80) || 'nothing'}`,
          false,
        );
      }
    } catch (error) {
      if (error instanceof AttemptError) throw error;
      signal.throwIfAborted();
      if (deadline.aborted) throw new AttemptError(`did not answer within ${timeoutMs / 1000} s`, true, 'timeout');
      const { code, message } = error as NodeJS.ErrnoException;
      throw new AttemptError(`could not be reached (${code ?? message})`, code !== 'ERR_INVALID_URL');
    }
  }

  async function withRetries(asked: JsonRequest): Promise<unknown> {
    for (let failed = 0; ; failed++) {
      asked.signal.throwIfAborted();
      try {
        return await attempt(asked);
      } catch (error) {
        if (!(error instanceof AttemptError)) throw error;
        const waitMs = error.retryAfterMs ?? backoffMs * 2 ** failed * (0.5 + random() / 2);
        if (!error.retried || failed === retries || waitMs > maxBackoffMs) {
          throw new ToolError(error.status, redact(describe(asked.url, error, failed + 1)));
        }
        await sleep(waitMs, undefined, { signal: asked.signal });
      }
    }
  }

  return {
    json: (asked) => limit(() => withRetries(asked)),
    async close() {
      if (!dispatcher) await agent.destroy();
    },
  };
}

function describe(url: string | URL, { message, retryAfterMs: asked }: AttemptError, attempts: number): string {
  let where = String(url);
  try {
    // a query string may hold a key
    where = `${new URL(url).host}${new URL(url).pathname}`;
  } catch {
    // shown as it is: what is no URL holds no query string
  }
  const times = attempts > 1 ? ` (${attempts} attempts)` : '';
  const wait = asked === undefined ? '' : ` (asks to wait ${Math.ceil(asked / 1000)} s)`;
  return `The service ${where} ${message}${wait}${times}.`;
}

/** Reads at most `maxBodyBytes`; what is larger is cut off at the socket, not collected. */
async function readBody({ body, headers }: Dispatcher.ResponseData, maxBodyBytes: number): Promise<string> {
  const tooLarge = () => {
    body.destroy();
    return new AttemptError(`answered more than ${maxBodyBytes} bytes`, false);
  };
  // destroying an unread body reports an abort: expected
  body.on('error', () => {});
  if (Number(headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > maxBodyBytes) throw tooLarge();
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** `Retry-After` in seconds or as an HTTP date (RFC 9110 §10.2.3), as milliseconds from now. */
function retryAfterMs(header: string | string[] | undefined, nowMs: number): number | undefined {
  if (typeof header !== 'string') return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
