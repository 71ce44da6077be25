import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { TinkerError, errorDetail } from './errors.js';

export interface TransportOptions {
  /** for example `http://127.0.0.1:8000`; `/api/v1` is appended unless it is there */
  baseUrl: string;
  apiKey?: string;
  /** simultaneous connections: a request that the server holds until its result is ready keeps one */
  connections?: number;
  /** time for one HTTP exchange */
  timeoutMs?: number;
  /** attempts of one call before it fails, retryable faults only */
  maxAttempts?: number;
  /** first back-off; doubles up to `maxBackoffMs` */
  backoffMs?: number;
  maxBackoffMs?: number;
}

/** How a family of servers is addressed. */
interface Addressing {
  /** appended to `baseUrl` unless it is there */
  apiPath?: string;
  authorization?: 'x-api-key' | 'bearer';
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
  /** a 409 that is no conflict of ours (queue full) may be retried; a reused number or a taken name may not */
  maxAttempts?: number;
}

export interface Reply {
  status: number;
  body: unknown;
}

/** JSON over HTTP with retries. Knows statuses, not the protocol. */
export interface Transport {
  /** resolves for 2xx; throws a {@link TinkerError} otherwise */
  call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown, options?: CallOptions): Promise<Reply>;
  /** one attempt, any status: for polling, where 408 and 410 are answers */
  once(method: 'GET' | 'POST', path: string, body: unknown, options?: CallOptions): Promise<Reply>;
  /** follows redirects; the bytes of an archive */
  download(path: string, options?: CallOptions): Promise<AsyncIterable<Uint8Array>>;
  readonly requests: number;
  close(): Promise<void>;
}

const RETRYABLE = new Set([408, 425, 429, 500, 502, 503, 504]);

export function createTransport({
  baseUrl,
  apiPath = '/api/v1',
  apiKey,
  authorization = 'x-api-key',
  connections = 1024,
  timeoutMs = 60_000,
  maxAttempts = 8,
  backoffMs = 500,
  maxBackoffMs = 10_000,
}: TransportOptions & Addressing): Transport {
  const base = apiBase(baseUrl, apiPath);
  const agent = new Agent({ connections, connect: { timeout: 10_000 }, bodyTimeout: 0, headersTimeout: 0 });
  const headers: Record<string, string> = { 'content-type': 'application/json', accept: 'application/json' };
  if (apiKey !== undefined && authorization === 'x-api-key') headers['x-api-key'] = apiKey;
  if (apiKey !== undefined && authorization === 'bearer') headers['authorization'] = `Bearer ${apiKey}`;
  let requests = 0;

  const once: Transport['once'] = async (method, path, body, options = {}) => {
    requests++;
    return exchange(method, path, body, options);
  };

  async function exchange(method: string, path: string, body: unknown, options: CallOptions): Promise<Reply> {
    const limit = AbortSignal.timeout(options.timeoutMs ?? timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
    try {
      const response = await request(base + path, {
        method: method as 'GET',
        headers,
        dispatcher: agent,
        signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.body.text();
      return { status: response.statusCode, body: parse(text, response.statusCode, method, path, response.headers) };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof TinkerError) throw error;
      const reason = limit.aborted ? `no answer within ${options.timeoutMs ?? timeoutMs} ms` : describe(error);
      throw new TinkerError(`${method} ${path}: ${reason} (server ${base}).`, { retryable: true, cause: error });
    }
  }

  async function call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown, options: CallOptions = {}) {
    const attempts = options.maxAttempts ?? maxAttempts;
    for (let attempt = 1; ; attempt++) {
      let failure: TinkerError;
      try {
        const reply = await once(method as 'GET', path, body, options);
        if (reply.status < 300) return reply;
        failure = refused(method, path, reply);
      } catch (error) {
        if (!(error instanceof TinkerError)) throw error;
        failure = error;
      }
      if (!failure.retryable || attempt >= attempts) throw failure;
      const backoff = Math.min(maxBackoffMs, backoffMs * 2 ** (attempt - 1));
      await pause(Math.max(failure.retryAfterMs ?? 0, backoff), options.signal);
    }
  }

  async function download(path: string, options: CallOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    let url = base + path;
    for (let hops = 0; hops < 5; hops++) {
      requests++;
      // The key goes to the API only, never to where it redirects (a presigned URL of a store).
      const response = await request(url, {
        dispatcher: agent,
        headers: url.startsWith(base) ? headers : {},
        ...(options.signal ? { signal: options.signal } : {}),
      });
      const { statusCode } = response;
      if (statusCode === 200) return response.body;
      const text = await response.body.text();
      const { location } = response.headers;
      if (statusCode < 300 || statusCode >= 400 || typeof location !== 'string') {
        throw refused('GET', path, { status: statusCode, body: text });
      }
      url = new URL(location, url).href;
    }
    throw new TinkerError(`GET ${path}: more than 5 redirects.`);
  }

  return {
    call,
    once,
    download,
    get requests() {
      return requests;
    },
    close: () => agent.close(),
  };
}

/** Sleeps; rejects with the signal's own reason when it fires. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => signal?.throwIfAborted());
}

/** A reply that is no success, as an error with its remedy. */
export function refused(method: string, path: string, { status, body }: Reply): TinkerError {
  const detail = errorDetail(body);
  const remedy =
    status === 401 || status === 403
      ? ' Check the API key.'
      : status === 404
        ? ' Is this the right kind of server, and does what the request names still exist (servers forget idle sessions)?'
        : '';
  return new TinkerError(`${method} ${path}: the server answered ${status}: ${detail}.${remedy}`, {
    status,
    detail,
    retryable: RETRYABLE.has(status),
  });
}

function parse(text: string, status: number, method: string, path: string, headers: Record<string, unknown>): unknown {
  const retryAfterMs = retryAfter(headers['retry-after']);
  if (RETRYABLE.has(status) && status !== 408 && retryAfterMs !== undefined) {
    const message = `${method} ${path}: the server answered ${status}`;
    throw new TinkerError(message, { status, detail: text.slice(0, 500), retryable: true, retryAfterMs });
  }
  if (text === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    if (status >= 400) return text;
    const start = JSON.stringify(text.slice(0, 80));
    throw new TinkerError(`${method} ${path}: wanted JSON, got ${start}. Is the base URL right?`, { status });
  }
}

/** `Retry-After` in seconds or as a date. */
function retryAfter(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const seconds = Number(value);
  const milliseconds = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : undefined;
}

function apiBase(baseUrl: string, apiPath: string): string {
  let url: URL;
  try {
    url = new URL(baseUrl);
  } catch {
    throw new Error(`"${baseUrl}" is no URL. Give the server's address, for example http://127.0.0.1:8000.`);
  }
  const path = url.pathname.replace(/\/+$/, '');
  return url.origin + (path.endsWith(apiPath) ? path : `${path}${apiPath}`);
}

function describe(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'ECONNREFUSED') return 'connection refused. Is the server running at this address?';
  return [code, message].filter(Boolean).join(': ');
}
