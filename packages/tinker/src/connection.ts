import type { Dialect } from './dialect.js';
import type { CallOptions, Transport } from './transport.js';

/** What sessions, models and samplers share. */
export interface Connection {
  transport: Transport;
  dialect: Dialect;
  /** submits a request and waits for its future */
  execute<T>(path: string, body: object, options?: CallOptions): Promise<T>;
  /** submits now, waits later: `submitted` settles when the server has taken the request */
  start<T>(path: string, body: object, options?: CallOptions): { submitted: Promise<unknown>; result: Promise<T> };
}
