import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { callTool, statefulTool, ToolError } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import { fromMCP } from '@tapo/tools/mcp';
import { serveMCPOverHTTP, toMCPServer } from '@tapo/tools/mcp-server';
import { createSearch } from '@tapo/tools/search';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { everything } from './helpers/everything-server.js';
import { serveMcp } from './helpers/serve-mcp.js';

const search = () => createSearch({ documents: [{ title: 'Chad', text: 'Chad lies in Africa.' }] });
const misbehaving: Tool = {
  name: 'misbehave',
  description: 'Does what one should not.',
  execute: (input, { signal }) => {
    if (input === 'hang')
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    throw new ToolError('error', `Cannot ${String(input)}.`);
  },
};
const counter = (): Tool =>
  statefulTool<{ count: number }, string, number>({
    name: 'count',
    description: 'Counts calls.',
    lifetime: 'rollout',
    open: () => ({ count: 0 }),
    execute: (_, __, state) => (state.count += 1),
  });
const named = (tools: readonly Tool[], name: string) => tools.find((tool) => tool.name === name)!;

toolConformance(
  'MCP tool over streamable HTTP',
  async () => {
    const service = await serveMCPOverHTTP([search()]);
    const { tools, close } = await fromMCP(service.url!);
    return { ...tools[0]!, close: async () => void (await Promise.all([close(), service.close()])) };
  },
  {
    test: it,
    cases: [
      { input: 'Chad', observation: /^Doc 1: Chad lies in Africa\.$/ },
      { input: { input: 'zzz' }, observation: 'No documents found.' },
      { input: 'x', status: 'error', observation: 'The query has 1 characters' },
    ],
  },
);

/** A server that exits, stops answering anything, or answers nonsense, when it is told to. */
const dying = `
  let calls = 0;
  process.stdin.on('data', (chunk) => {
    for (const line of String(chunk).trim().split('\\n')) {
      const { id, method, params } = JSON.parse(line);
      const reply = (result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
      if (method === 'initialize') reply({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'dying', version: '1' } });
      if (method === 'tools/list') reply({ tools: [{ name: 'pid', inputSchema: { type: 'object' } }] });
      if (method === 'tools/call' && params.arguments.die) process.exit(1);
      if (method === 'tools/call' && params.arguments.hang) while (true);
      if (method === 'tools/call' && params.arguments.odd) return reply({ content: 'no list' });
      if (method === 'tools/call' && params.arguments.size) return reply({ content: [{ type: 'text', text: 'x'.repeat(params.arguments.size) }] });
      if (method === 'tools/call') reply({ content: [{ type: 'text', text: process.pid + ' ' + ++calls }] });
    }
  });`;

describe('a published server, started as a process', () => {
  it('lists its tools and answers', { timeout: 60_000 }, async () => {
    const mcp = await fromMCP({ command: process.execPath, args: [everything] });
    try {
      expect(mcp.tools.length).toBeGreaterThan(3);
      const echo = named(mcp.tools, 'echo');
      expect(await callTool(echo, { message: 'hi' })).toMatchObject({ status: 'ok', observation: 'Echo: hi' });
      expect((await callTool(echo, 'plain text')).observation).toBe('Echo: plain text');
      expect(await callTool(echo, {})).toMatchObject({
        status: 'refused',
        observation: "Invalid input for echo: must have required property 'message'",
      });
      const sum = named(mcp.tools, 'get-sum');
      expect((await callTool(sum, '{"a": 2, "b": 40}')).observation).toContain('42');
      const image = named(mcp.tools, 'get-tiny-image');
      expect((await callTool(image, {})).observation).toContain('[image image/png]');
      const structured = named(mcp.tools, 'get-structured-content');
      expect((await callTool(structured, { location: 'Chicago' })).observation).toContain('"temperature"');
      const long = named(mcp.tools, 'trigger-long-running-operation');
      expect((await callTool(long, { duration: 10, steps: 2 }, { timeoutMs: 100 })).status).toBe('timeout');
      expect((await callTool(echo, 'after')).observation).toBe('Echo: after');
    } finally {
      await mcp.close();
    }
  });

  it('that dies fails the call under way and is started again', { timeout: 60_000 }, async () => {
    const mcp = await fromMCP({ command: process.execPath, args: ['-e', dying] });
    const pid = mcp.tools[0]!;
    const first = (await callTool(pid, {})).observation;
    const [died, bystander] = await Promise.all([callTool(pid, { die: true }), callTool(pid, { die: true })]);
    expect(died).toMatchObject({ status: 'error', observation: expect.stringContaining('went away during the call') });
    expect(bystander.status).toBe('error');
    const second = (await callTool(pid, {})).observation;
    expect(first).toMatch(/^\d+ 1$/);
    expect(second).toMatch(/^\d+ 1$/);
    expect(second).not.toBe(first);
    await mcp.close();
    expect(await callTool(pid, {})).toMatchObject({
      status: 'error',
      observation: 'The connection to the MCP server is closed.',
    });
  });

  it('that hangs altogether is given up, and started again', { timeout: 60_000 }, async () => {
    const mcp = await fromMCP({ command: process.execPath, args: ['-e', dying] }, { connectTimeoutMs: 1_000 });
    const pid = mcp.tools[0]!;
    expect((await callTool(pid, { hang: true }, { timeoutMs: 50 })).status).toBe('timeout');
    // fails when the ping has gone unanswered for the second
    expect(await callTool(pid, {})).toMatchObject({
      status: 'error',
      observation: expect.stringContaining('went away during the call'),
    });
    expect(await callTool(pid, {})).toMatchObject({ status: 'ok', observation: expect.stringMatching(/^\d+ 1$/) });
    await mcp.close();
  });

  it('that comes back with another output schema has its results checked by that', { timeout: 60_000 }, async () => {
    const started = join(await mkdtemp(join(tmpdir(), 'tapo-mcp-')), 'started');
    const server = `
      const { existsSync, writeFileSync } = require('node:fs');
      const type = existsSync(process.argv[1]) ? 'string' : 'number';
      writeFileSync(process.argv[1], '');
      const outputSchema = { type: 'object', properties: { size: { type } }, required: ['size'] };
      process.stdin.on('data', (chunk) => {
        for (const line of String(chunk).trim().split('\\n')) {
          const { id, method, params } = JSON.parse(line);
          const reply = (result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
          if (method === 'initialize') reply({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } });
          if (method === 'tools/list') reply({ tools: [{ name: 'measure', description: type, inputSchema: { type: 'object' }, outputSchema }] });
          if (method === 'tools/call' && params.arguments.die) process.exit(1);
          if (method === 'tools/call') reply({ content: [], structuredContent: { size: 1 } });
        }
      });`;
    const mcp = await fromMCP({ command: process.execPath, args: ['-e', server, started] });
    const measure = mcp.tools[0]!;
    expect(await callTool(measure, {})).toMatchObject({ status: 'ok', observation: '{"size":1}' });
    expect((await callTool(measure, { die: true })).status).toBe('error');
    expect(await callTool(measure, {})).toMatchObject({
      status: 'error',
      observation: expect.stringContaining("does not match the tool's output schema: data/size must be string"),
    });
    expect(mcp.tools[0]?.description).toBe('string');
    await mcp.close();
  });

  it('takes many large calls at once on one signal, without a warning of listeners', { timeout: 60_000 }, async () => {
    const warnings: string[] = [];
    const listen = ({ message }: Error) => warnings.push(message);
    process.on('warning', listen);
    const mcp = await fromMCP({ command: process.execPath, args: [everything] }, { include: ['echo'] });
    const { signal } = new AbortController();
    // a pipe holds 64 KB
    const message = 'x'.repeat(100_000);
    const call = () => callTool(mcp.tools[0]!, { message }, { signal });
    const results = await Promise.all(Array.from({ length: 30 }, call));
    process.off('warning', listen);
    await mcp.close();
    expect(results.map(({ status }) => status)).toEqual(Array.from({ length: 30 }, () => 'ok'));
    expect(warnings).toEqual([]);
  });

  it('that answers with a wrong shape or far too much fails that call, and goes on', { timeout: 60_000 }, async () => {
    const mcp = await fromMCP({ command: process.execPath, args: ['-e', dying] });
    const pid = mcp.tools[0]!;
    const first = (await callTool(pid, {})).observation;
    expect(await callTool(pid, { odd: true })).toMatchObject({
      status: 'error',
      observation:
        'The MCP server answered with a wrong shape: content: Invalid input: expected array, received string.',
    });
    // the same process: nobody else's call was lost
    expect((await callTool(pid, {})).observation).toBe(first.replace(' 1', ' 2'));
    // beyond the 10 MB of one message the SDK cuts the connection
    expect((await callTool(pid, { size: 11 * 2 ** 20 })).status).toBe('error');
    expect((await callTool(pid, {})).status).toBe('ok');
    await mcp.close();
  });

  it('that cannot be started, or lacks a tool, is an error at once', async () => {
    await expect(fromMCP({ command: '/no/such/program' })).rejects.toThrow('The MCP server cannot be reached');
    await expect(
      fromMCP({ command: process.execPath, args: [everything] }, { include: ['echo', 'none'] }),
    ).rejects.toThrow('the server has no tool "none"');
  });
});

describe('over streamable HTTP', () => {
  it('a server that went away and came back is found again', async () => {
    const before = await serveMCPOverHTTP([search()]);
    const port = Number(new URL(before.url!).port);
    const mcp = await fromMCP(new URL(before.url!));
    const tool = mcp.tools[0]!;
    await before.close();
    expect(await callTool(tool, 'Chad')).toMatchObject({
      status: 'error',
      observation: expect.stringMatching(/MCP server/),
    });
    const after = await serveMCPOverHTTP([search()], { port });
    expect((await callTool(tool, 'Chad')).observation).toBe('Doc 1: Chad lies in Africa.');
    await mcp.close();
    await after.close();
  });

  it('a session that the server has forgotten is opened anew, without an error', async () => {
    const before = await serveMCPOverHTTP([search()]);
    const port = Number(new URL(before.url!).port);
    const mcp = await fromMCP(before.url!);
    await before.close();
    const after = await serveMCPOverHTTP([search()], { port });
    await new Promise((resolve) => setTimeout(resolve, 50)); // the client sees its old sockets closed
    expect(await callTool(mcp.tools[0]!, 'Chad')).toMatchObject({ status: 'ok' });
    await mcp.close();
    await after.close();
  });

  it('each client has a state of its own, failures are isError, hangs are cancelled', async () => {
    const service = await serveMCPOverHTTP([counter(), misbehaving], { timeoutMs: 5_000 });
    const [a, b] = [await fromMCP(service.url!), await fromMCP(service.url!)];
    const count = async (mcp: typeof a) => (await callTool(named(mcp.tools, 'count'), 'x')).observation;
    expect([await count(a), await count(a), await count(b)]).toEqual(['1', '2', '1']);
    const misbehave = named(a.tools, 'misbehave');
    expect(await callTool(misbehave, 'fly')).toMatchObject({ status: 'error', observation: 'Cannot fly.' });
    expect((await callTool(misbehave, 'hang', { timeoutMs: 50 })).status).toBe('timeout');
    await Promise.all([a.close(), b.close()]);
    await service.close();
  });

  it('refuses other hosts, other origins and unknown sessions', async () => {
    const { url, close } = await serveMCPOverHTTP([search()]);
    const post = async (headers: Record<string, string>) => {
      const { request } = await import('undici');
      const response = await request(url!, { method: 'POST', body: '{}', headers });
      await response.body.dump();
      return response.statusCode;
    };
    expect(await post({ host: 'evil.example' })).toBe(403);
    expect(await post({ origin: 'http://evil.example' })).toBe(403);
    expect(await post({ 'mcp-session-id': 'none' })).toBe(404);
    await close();
  });
});

it('takes a connected client, and leaves it to its owner', async () => {
  const [left, right] = InMemoryTransport.createLinkedPair();
  await toMCPServer([search()]).connect(left);
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(right);
  const mcp = await fromMCP(client);
  expect((await callTool(mcp.tools[0]!, 'Chad')).observation).toBe('Doc 1: Chad lies in Africa.');
  await mcp.close();
  expect((await client.listTools()).tools).toHaveLength(1);
  expect(await client.callTool({ name: 'none', arguments: {} }).catch((error: Error) => error.message)).toContain(
    'there is no tool "none"',
  );
  await client.close();
});

it('follows changes of the list', async () => {
  const server = new McpServer({ name: 'growing', version: '1' });
  const answer = () => ({ content: [{ type: 'text' as const, text: 'done' }] });
  server.registerTool('grow', { inputSchema: { size: z.number() } }, () => {
    server.registerTool('second', { inputSchema: {} }, answer);
    return answer();
  });
  const http = await serveMcp(server);
  let onToolsChanged: (tools: readonly Tool[]) => void = () => {};
  const changed = new Promise<readonly Tool[]>((resolve) => (onToolsChanged = resolve));
  const mcp = await fromMCP(http.url, { onToolsChanged });
  expect(mcp.tools.map(({ name }) => name)).toEqual(['grow']);
  expect((await callTool(mcp.tools[0]!, { size: 1 })).observation).toBe('done');
  expect((await changed).map(({ name }) => name)).toEqual(['grow', 'second']);
  expect(mcp.tools).toHaveLength(2);
  await mcp.close();
  http.close();
});
