import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asListenError } from '../cli/listen-error.js';
import { liveEvents } from './live-events.js';
import { answer } from './routes.js';
import { listRuns } from './run-list.js';

export interface ViewServerOptions {
  /** 0 = any free one */
  port?: number;
  /** how often run directories are looked at */
  intervalMs?: number;
}

export interface ViewServer {
  url: string;
  close(): Promise<void>;
}

/** Text files of the page, by name: `index.html`, `dashboard.js`, `dashboard.css`. */
export type Assets = ReadonlyMap<string, string>;

/**
 * Nothing but this server's own files, no inline script or style, no markup made from strings: what a model wrote cannot
 * become part of the page, and the page cannot talk to anyone.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const headers = {
  'Content-Security-Policy': contentSecurityPolicy,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

const types: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
};

/**
 * Serves the page and the run directories on 127.0.0.1. It only reads, answers GET alone, and only to its own name: a
 * page elsewhere that points a host name at this address (DNS rebinding) gets nothing.
 */
export async function serveRuns(
  places: readonly string[],
  assets: Assets,
  { port = 0, intervalMs = 1000 }: ViewServerOptions = {},
): Promise<ViewServer> {
  const runs = listRuns(places);
  await runs.refresh();
  const events = liveEvents(runs, { intervalMs });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, type: string, body: string) =>
      response.writeHead(status, { ...headers, 'Content-Type': type }).end(body);
    if (!isOwnName(request.headers.host)) return void send(403, 'text/plain', 'This server answers to localhost only.');
    if (request.method !== 'GET') return void send(405, 'text/plain', 'GET only.');

    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const name = pathname === '/' ? 'index.html' : pathname.slice(1);
    const asset = assets.get(name);
    if (asset !== undefined) return void send(200, types[name.slice(name.lastIndexOf('.') + 1)] ?? 'text/plain', asset);
    if (name === 'api/events') {
      response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream' });
      return events.add(response);
    }
    if (!isDecodable(name)) return void send(400, 'application/json', errorJson('the path is not UTF-8'));
    const value = name.startsWith('api/') ? await answer(runs, name.slice(4), searchParams) : undefined;
    if (value === undefined) return void send(404, 'application/json', '{"error":"not found"}');
    send(200, 'application/json', JSON.stringify(value));
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      if (response.headersSent) response.end();
      else response.writeHead(500, { ...headers, 'Content-Type': 'application/json' }).end(errorJson(message));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  }).catch((error: unknown) => asListenError(error, { port }));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      events.close();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function isOwnName(host: string | undefined): boolean {
  return host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host);
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

function errorJson(message: string): string {
  return JSON.stringify({ error: message });
}
