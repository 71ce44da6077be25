export interface TinkerErrorOptions {
  /** HTTP status, when there was a reply */
  status?: number;
  /** the server's own words */
  detail?: string;
  /** worth sending again */
  retryable?: boolean;
  /** from the `Retry-After` header */
  retryAfterMs?: number;
  cause?: unknown;
}

/** A request the server refused, or that did not reach it. `message` says which call, what came back and what to do. */
export class TinkerError extends Error {
  override readonly name = 'TinkerError';
  readonly status: number | undefined;
  readonly detail: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { status, detail, retryable = false, retryAfterMs, cause }: TinkerErrorOptions = {}) {
    super(message, { cause });
    this.status = status;
    this.detail = detail;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The readable part of an error body: FastAPI's `{detail}` (a string or a list of fields), `{error}`, or the text. */
export function errorDetail(body: unknown): string {
  if (typeof body === 'string') return body.slice(0, 500);
  if (typeof body !== 'object' || body === null) return String(body);
  const { detail, error, message } = body as Record<string, unknown>;
  if (Array.isArray(detail)) {
    return detail
      .map((item: { loc?: unknown[]; msg?: string }) => `${item.loc?.join('.') ?? '?'}: ${item.msg ?? 'invalid'}`)
      .join('; ');
  }
  const text = detail ?? error ?? message;
  return typeof text === 'string' ? text.slice(0, 500) : JSON.stringify(body).slice(0, 500);
}
