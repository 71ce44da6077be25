import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { callTool } from './call-tool.js';
import { elide } from './elide.js';
import type { Tool } from './tool.js';

export interface CodeServerOptions {
  /** runs the code: `createPython()`, `createJavascript()`, … Closed by `close` of the server. */
  tool: Tool<string, string>;
  /** 0: any free port */
  port?: number;
  /** other machines reach the server only if you say so here, for example with '0.0.0.0' */
  host?: string;
  /** larger requests are refused */
  maxBodyBytes?: number;
  /** time for one call, waiting for a free worker included */
  timeoutMs?: number;
}

export interface CodeServer {
  /** without a slash at the end */
  url: string;
  port: number;
  close(): Promise<void>;
}

/**
 * Serves a code tool as the reference's code server does, for trainers written in Python:
 * `POST /run {"code": "print(1)"}` → `{"stdout": "1", "finished": true, "time": "3 ms"}`.
 *
 * As there, `finished` is false when the time ran out (and `stdout` begins with `[TIMEOUT]`); an exception is text in
 * `stdout`. Unlike there, an output of nothing gives a hint to print, and a request of the wrong form gives status 400.
 * @throws if the port or the address cannot be had; the tool is closed then
 */
export async function serveCode({
  tool,
  port = 8000,
  host = '127.0.0.1',
  maxBodyBytes = 2 ** 20,
  timeoutMs = 60_000,
}: CodeServerOptions): Promise<CodeServer> {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url?.split('?')[0];
    if (path !== '/run') return reply(response, 404, { error: `no such path: ${path}; wanted /run` });
    if (request.method !== 'POST') return reply(response, 405, { error: `got ${request.method}, wanted POST` });
    const body = await readBody(request, maxBodyBytes);
    if (body === undefined) {
      return reply(response, 413, { error: `got more than ${maxBodyBytes} bytes` }, { connection: 'close' });
    }
    const code = codeOf(body);
    if (code === undefined) {
      const got = elide(body.replaceAll(/\s+/g, ' '), 80) || 'nothing';
      return reply(response, 400, { error: `got ${got}, wanted JSON of the form {"code": "print(1)"}` });
    }
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const rolloutId = randomUUID();
    const { observation, status, durationMs } = await callTool(tool as Tool, code, {
      rolloutId,
      signal: gone.signal,
      timeoutMs,
    });
    await tool.endRollout?.(rolloutId);
    const finished = status !== 'timeout';
    const stdout = status === 'timeout' ? `[TIMEOUT] ${observation}` : observation;
    return reply(response, 200, { stdout, finished, time: `${Math.floor(durationMs)} ms` });
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => reply(response, 500, { error: String(error) }));
  });
  server.listen(port, host);
  await once(server, 'listening').catch(async (error: unknown) => {
    await tool.close?.();
    throw error;
  });
  const actual = (server.address() as AddressInfo).port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    port: actual,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await tool.close?.();
    },
  };
}

function reply(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** The request's text, or nothing if it is longer than allowed. */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function codeOf(body: string): string | undefined {
  try {
    const { code } = JSON.parse(body) as { code?: unknown };
    return typeof code === 'string' ? code : undefined;
  } catch {
    return undefined;
  }
}
