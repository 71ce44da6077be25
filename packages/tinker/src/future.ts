import type { Dialect } from './dialect.js';
import { TinkerError, errorDetail } from './errors.js';
import { pause, refused, type CallOptions, type Reply, type Transport } from './transport.js';

/** Ask again after this long: proxies cut connections that are silent for a minute. */
const POLL_TIMEOUT_MS = 45_000;
const MAX_BACKOFF_MS = 30_000;
/** How often lost work is submitted again before it is an error. */
const MAX_SUBMISSIONS = 3;

/** Sends the request and returns its id. Called again, with the same sequence number, when a result was lost. */
export type Submit = () => Promise<string>;

/**
 * Waits for the result of a submitted request. Servers hold the poll open, answer 408 or `try_again` while it is
 * pending, 410 when it must be submitted again; a lost connection is polled again (or, where a result can be fetched
 * only once, submitted again: the sequence number makes that the same request).
 */
export async function awaitResult<T>(
  transport: Transport,
  dialect: Dialect,
  submit: Submit,
  requestId: string,
  { signal }: CallOptions = {},
): Promise<T> {
  let id = requestId;
  let submissions = 1;
  let lost = 0;
  const submitAgain = async (cause: TinkerError): Promise<void> => {
    if (++submissions > MAX_SUBMISSIONS) throw cause;
    id = await submit();
  };

  for (;;) {
    let reply: Reply;
    try {
      const timeoutMs = POLL_TIMEOUT_MS;
      reply = await transport.once('POST', '/retrieve_future', { request_id: id }, { signal, timeoutMs });
    } catch (error) {
      if (!(error instanceof TinkerError) || !error.retryable) throw error;
      if (lost >= 8) throw error;
      await pause(error.retryAfterMs ?? Math.min(MAX_BACKOFF_MS, 250 * 2 ** lost++), signal);
      if (dialect.resultOnce && error.status === undefined) await submitAgain(error);
      continue;
    }
    const { status, body } = reply;
    if (status === 408 || isPending(body)) {
      lost = 0;
      const wait = pauseMs(body);
      if (wait > 0) await pause(wait, signal);
      continue;
    }
    if (status === 410) {
      await submitAgain(refused('POST', '/retrieve_future', reply));
      continue;
    }
    if (status === 429 || status >= 500) {
      if (lost >= 8) throw refused('POST', '/retrieve_future', reply);
      await pause(status === 429 ? Math.min(MAX_BACKOFF_MS, 1000 * 2 ** lost) : 100 * (lost + 1), signal);
      lost++;
      continue;
    }
    if (status >= 300) throw refused('POST', '/retrieve_future', reply);
    const failure = body as { error?: unknown; category?: string } | null;
    if (failure?.error !== undefined && failure.error !== null) {
      throw new TinkerError(`The server failed the request (${failure.category ?? 'unknown'}): ${errorDetail(body)}`, {
        detail: errorDetail(body),
      });
    }
    return body as T;
  }
}

function isPending(body: unknown): boolean {
  return typeof body === 'object' && body !== null && (body as { type?: string }).type === 'try_again';
}

/** `try_again` may come at once (a paused queue): never poll in a tight loop. */
function pauseMs(body: unknown): number {
  if (!isPending(body)) return 0;
  const { retry_after_ms: given } = body as { retry_after_ms?: number };
  return typeof given === 'number' ? given : 100;
}
