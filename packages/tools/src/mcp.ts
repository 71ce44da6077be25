import { setTimeout as sleep } from 'node:timers/promises';
import type { Client as McpClient } from '@modelcontextprotocol/sdk/client/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { adaptTool } from './foreign-tool.js';
import type { JsonSchema } from './json-schema.js';
import { oneAtATime } from './one-at-a-time.js';
import { loadPeer } from './peer.js';
import { field, listField, textField } from './shape.js';
import { ToolError } from './tool.js';
import type { Tool } from './tool.js';

const {
  Client,
  StdioClientTransport,
  StreamableHTTPClientTransport,
  ErrorCode,
  McpError,
  ToolListChangedNotificationSchema,
} = await loadPeer('@tapo/tools/mcp', '@modelcontextprotocol/sdk', async () => ({
  ...(await import('@modelcontextprotocol/sdk/client/index.js')),
  ...(await import('@modelcontextprotocol/sdk/client/stdio.js')),
  ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')),
  ...(await import('@modelcontextprotocol/sdk/types.js')),
}));

/** A server that is started as a process and speaks MCP over its standard input and output. */
export interface McpCommand {
  command: string;
  args?: string[];
  /** added to a few harmless variables (PATH, HOME, …); nothing else is inherited */
  env?: Record<string, string>;
  cwd?: string;
}

export interface FromMCPOptions {
  /** names of the tools wanted; default all */
  include?: readonly string[];
  /** sent with every request to a URL, for example an authorization */
  headers?: Record<string, string>;
  connectTimeoutMs?: number;
  /** where a process's standard error goes */
  stderr?: 'ignore' | 'inherit';
  /** called after the server has changed its list of tools */
  onToolsChanged?: (tools: readonly Tool[]) => void;
}

export interface McpTools {
  /** the current list; tools handed out before go on working as long as the server knows them */
  readonly tools: readonly Tool[];
  /** asks the server for its list */
  refresh(): Promise<readonly Tool[]>;
  /** ends the connection, and the process if one was started; closing any of the tools does the same */
  close(): Promise<void>;
}

// the time limit of a call is the caller's signal; the SDK wants a number of its own
const NO_LIMIT_MS = 2 ** 31 - 1;

/**
 * Tools of a Model Context Protocol server: a process, the URL of a server that speaks streamable HTTP, or a client that
 * is connected already. `isError` becomes status `error`. A server that dies fails the calls that were under way and is
 * started or connected again for the next one, and so is one that answers neither a call in its time nor a ping; a client
 * that was handed in is left to its owner.
 * @throws if the server cannot be reached or lacks a tool of `include`
 */
export async function fromMCP(
  source: McpClient | McpCommand | URL | string,
  { include, headers = {}, connectTimeoutMs = 30_000, stderr = 'ignore', onToolsChanged }: FromMCPOptions = {},
): Promise<McpTools> {
  let tools: readonly Tool[] = [];
  let closed = false;
  let connecting: Promise<McpClient> | undefined;
  let current: McpClient | undefined;
  let probing: McpClient | undefined;

  /** so that the next call connects anew; a client that has been replaced is of no interest any more */
  const forget = (client: McpClient): void => {
    if (client === current) connecting = current = undefined;
  };
  const connect = async (): Promise<McpClient> => {
    if (source instanceof Client) {
      await list(source);
      return source;
    }
    const client = new Client({ name: 'tapo', version: '0.0.0' });
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the SDK's client is no EventTarget
    client.onclose = () => forget(client);
    // over HTTP a call waits for ever if its stream breaks off: only the transport is told
    // oxlint-disable-next-line unicorn/prefer-add-event-listener
    client.onerror = () => void probe(client);
    client.setNotificationHandler(ToolListChangedNotificationSchema, async () => {
      onToolsChanged?.(await list(client));
    });
    await client.connect(transportTo(source, headers, stderr), { timeout: connectTimeoutMs });
    current = client;
    try {
      // a server that has been started again may have other tools, and the SDK checks results by what it has listed
      await list(client);
    } catch (error) {
      await drop(client);
      throw error;
    }
    return client;
  };
  // connecting twice does no harm, and a server that is just being started again needs a moment
  const connectPatiently = async (): Promise<McpClient> => {
    for (const waitMs of [100, 400]) {
      try {
        return await connect();
      } catch {
        await sleep(waitMs);
      }
    }
    return connect();
  };
  const connected = (): Promise<McpClient> => {
    if (closed) throw new ToolError('error', 'The connection to the MCP server is closed.');
    connecting ??= connectPatiently().catch((error: unknown) => {
      connecting = undefined;
      throw new ToolError('error', `The MCP server cannot be reached: ${messageOf(error)}`, { cause: error });
    });
    return connecting;
  };
  const drop = async (client: McpClient): Promise<void> => {
    forget(client);
    if (!(source instanceof Client)) await client.close().catch(() => {});
  };
  /** gives a server up that does not answer: that fails the calls which wait for it */
  const probe = async (client: McpClient): Promise<void> => {
    if (client !== current || probing === client) return;
    probing = client;
    await client.ping({ timeout: connectTimeoutMs }).catch(() => drop(client));
    probing = undefined;
  };
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    const client = await connecting?.catch(() => undefined);
    if (client) await drop(client);
  };

  const call = async (name: string, input: unknown, signal: AbortSignal): Promise<unknown> => {
    for (let attempt = 0; ; attempt++) {
      const client = await connected();
      try {
        const request = { name, arguments: input as Record<string, unknown> };
        return await client.callTool(request, undefined, { signal, timeout: NO_LIMIT_MS });
      } catch (error) {
        if (signal.aborted) {
          void probe(client);
          throw error;
        }
        const code = field(error, 'code');
        if (error instanceof McpError && code !== ErrorCode.ConnectionClosed) throw error;
        const [issue] = listField(error, 'issues');
        if (issue) {
          const where = listField(issue, 'path').join('.') || 'result';
          throw new ToolError(
            'error',
            `The MCP server answered with a wrong shape: ${where}: ${textField(issue, 'message')}.`,
          );
        }
        await drop(client);
        // the server does not know the session any more, so it has not run the call: begin a new session
        if (isUnknownSession(code) && attempt === 0 && !(source instanceof Client)) continue;
        throw new ToolError('error', `The MCP server went away during the call: ${messageOf(error)}`, { cause: error });
      }
    }
  };

  const list = async (client: McpClient): Promise<readonly Tool[]> => {
    const listed = [];
    let cursor: string | undefined;
    do {
      const page = await client.listTools({ cursor }, { timeout: connectTimeoutMs });
      listed.push(...page.tools);
      cursor = page.nextCursor;
    } while (cursor);
    tools = listed
      .filter(({ name }) => !include || include.includes(name))
      .map(({ name, description, inputSchema }) =>
        adaptTool({
          name,
          description,
          schema: inputSchema as JsonSchema,
          execute: async (input, { signal }) => resultText(await call(name, input, signal)),
          close,
        }),
      );
    return tools;
  };

  try {
    await connected();
    const missing = include?.find((name) => !tools.some((tool) => tool.name === name));
    if (missing !== undefined) throw new Error(`fromMCP: the server has no tool "${missing}"`);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    get tools() {
      return tools;
    },
    refresh: async () => list(await connected()),
    close,
  };
}

function transportTo(source: McpCommand | URL | string, headers: Record<string, string>, stderr: 'ignore' | 'inherit') {
  if (typeof source === 'object' && 'command' in source) {
    return oneAtATime(new StdioClientTransport({ ...source, stderr }));
  }
  // its optional `sessionId` is not declared as the interface has it
  return new StreamableHTTPClientTransport(new URL(source), { requestInit: { headers } }) as Transport;
}

/** A status of HTTP: 404 by the specification; servers made after the SDK's own examples say 400. */
function isUnknownSession(code: unknown): boolean {
  return code === 404 || code === 400;
}

/** Text blocks as they are, others by kind; structured content counts where there is no text. */
function resultText(result: unknown): string | undefined {
  const content = field(result, 'content');
  const structured = field(result, 'structuredContent');
  const blocks = Array.isArray(content) ? content : [];
  const text = blocks.map(blockText).join('\n') || (structured === undefined ? '' : JSON.stringify(structured));
  if (field(result, 'isError') === true) throw new ToolError('error', text || 'The tool failed.');
  return text || undefined;
}

function blockText(block: unknown): string {
  const text = field(block, 'text') ?? field(field(block, 'resource'), 'text');
  if (typeof text === 'string') return text;
  const what = field(block, 'uri') ?? field(field(block, 'resource'), 'uri') ?? field(block, 'mimeType') ?? '';
  return `[${String(field(block, 'type'))} ${String(what)}]`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
