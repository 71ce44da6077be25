import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Server as McpServer } from '@modelcontextprotocol/sdk/server/index.js';
import type { StreamableHTTPServerTransport as HttpTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { Tool as McpTool } from '@modelcontextprotocol/sdk/types.js';
import { callTool } from './call-tool.js';
import { inputJsonSchema } from './input-json-schema.js';
import { closeTools, endRollout } from './lifetime.js';
import { oneAtATime } from './one-at-a-time.js';
import { loadPeer } from './peer.js';
import type { Tool } from './tool.js';

const { Server, StdioServerTransport, StreamableHTTPServerTransport, ...types } = await loadPeer(
  '@tapo/tools/mcp-server',
  '@modelcontextprotocol/sdk',
  async () => ({
    ...(await import('@modelcontextprotocol/sdk/server/index.js')),
    ...(await import('@modelcontextprotocol/sdk/server/stdio.js')),
    ...(await import('@modelcontextprotocol/sdk/server/streamableHttp.js')),
    ...(await import('@modelcontextprotocol/sdk/types.js')),
  }),
);
const { CallToolRequestSchema, ErrorCode, ListToolsRequestSchema, McpError } = types;

export interface ToMCPServerOptions {
  /** how the server introduces itself */
  name?: string;
  version?: string;
  /** of one call */
  timeoutMs?: number;
}

/**
 * Our tools as a Model Context Protocol server; connect it to a transport. Whatever is no `ok` is a result with `isError`.
 * One connection counts as one rollout: tools that keep state per rollout keep it for the connection.
 */
export function toMCPServer(
  tools: readonly Tool[],
  { name = 'tapo', version = '0.0.0', timeoutMs = 30_000 }: ToMCPServerOptions = {},
): McpServer {
  const server = new Server({ name, version }, { capabilities: { tools: {} } });
  const rolloutId = randomUUID();
  const listed = tools.map((tool) => ({
    name: tool.name,
    description: tool.description,
    inputSchema: inputJsonSchema(tool) as McpTool['inputSchema'],
  }));
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: listed }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal, requestId }) => {
    const tool = tools.find((candidate) => candidate.name === params.name);
    if (!tool) throw new McpError(ErrorCode.InvalidParams, `there is no tool "${params.name}"`);
    const options = { toolCallId: String(requestId), rolloutId, signal, timeoutMs };
    const { observation, status } = await callTool(tool, params.arguments ?? {}, options);
    return { content: [{ type: 'text', text: observation }], isError: status !== 'ok' };
  });
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's server is no EventTarget
  server.onclose = () => void endRollout(tools, rolloutId).catch(() => {});
  return server;
}

/** A server under way. `close` ends it and closes the tools. */
export interface McpService {
  /** undefined over stdio */
  url?: string;
  /** settles when the other side has gone */
  closed: Promise<void>;
  close(): Promise<void>;
}

/** Serves over standard input and output: the process must print nothing else there. */
export async function serveMCPOverStdio(tools: readonly Tool[], options: ToMCPServerOptions = {}): Promise<McpService> {
  const server = toMCPServer(tools, options);
  const endRolloutOnClose = server.onclose;
  const closed = new Promise<void>((resolve) => {
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's server is no EventTarget
    server.onclose = () => {
      endRolloutOnClose?.();
      resolve();
    };
  });
  await server.connect(oneAtATime(new StdioServerTransport()));
  process.stdin.once('end', () => void server.close());
  return {
    closed,
    async close() {
      await server.close();
      await closeTools(tools);
    },
  };
}

export interface ServeMCPOverHTTPOptions extends ToMCPServerOptions {
  /** 0 = any free one */
  port?: number;
  /** whoever reaches it may run the tools: there is no authentication */
  host?: string;
  path?: string;
}

/**
 * Serves over streamable HTTP, a session per client. Requests that name another host than this one are refused, so that
 * a web page cannot reach the tools through the browser (DNS rebinding).
 */
export async function serveMCPOverHTTP(
  tools: readonly Tool[],
  { port = 0, host = '127.0.0.1', path = '/mcp', ...options }: ServeMCPOverHTTPOptions = {},
): Promise<McpService> {
  const sessions = new Map<string, HttpTransport>();
  const openSession = async (): Promise<HttpTransport> => {
    const transport: HttpTransport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await toMCPServer(tools, options).connect(transport as Transport);
    return transport;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isOwnHost(request, host)) return refuse(response, 403, 'another host was named');
    if (new URL(request.url ?? '/', 'http://localhost').pathname !== path) return refuse(response, 404, `use ${path}`);
    const id = request.headers['mcp-session-id'];
    const known = typeof id === 'string' ? sessions.get(id) : undefined;
    if (id !== undefined && !known) return refuse(response, 404, 'there is no such session');
    await (known ?? (await openSession())).handleRequest(request, response);
  };
  const http = createServer((request, response) => {
    answer(request, response).catch(() => response.headersSent || refuse(response, 500, 'the server failed'));
  });
  const closed = new Promise<void>((resolve) => http.once('close', resolve));
  await new Promise<void>((resolve, reject) => http.once('error', reject).listen(port, host, resolve));
  const { port: boundPort } = http.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}${path}`,
    closed,
    async close() {
      await Promise.all(Array.from(sessions.values(), (transport) => transport.close()));
      http.closeAllConnections();
      http.close();
      await closed;
      await closeTools(tools);
    },
  };
}

function isOwnHost({ headers }: IncomingMessage, host: string): boolean {
  const own = new Set(['localhost', '127.0.0.1', '[::1]', host]);
  const isOwn = (url: string) => URL.canParse(url) && own.has(new URL(url).hostname);
  const everywhere = host === '0.0.0.0' || host === '::';
  const originIsOwn = headers.origin === undefined || isOwn(headers.origin);
  return everywhere || (originIsOwn && isOwn(`http://${headers.host}`));
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32_000, message }, id: null }));
}
