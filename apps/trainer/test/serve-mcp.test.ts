import { fileURLToPath } from 'node:url';
import { callTool } from '@tapo/tools';
import { fromMCP } from '@tapo/tools/mcp';
import { expect, it } from 'vitest';

const bin = fileURLToPath(new URL('../src/bin.ts', import.meta.url));
const serve = (...args: string[]) =>
  fromMCP({
    command: process.execPath,
    args: ['--import', 'tsx', '--conditions=tapo-source', bin, 'serve-mcp', ...args],
    cwd: fileURLToPath(new URL('..', import.meta.url)),
  });

it('serves tools over standard input and output, and ends with its client', { timeout: 60_000 }, async () => {
  const { tools, close } = await serve('--tools', 'search,javascript');
  expect(tools.map(({ name }) => name)).toEqual(['search', 'code']);
  expect((await callTool(tools[0]!, 'Chad')).observation).toMatch(/^Doc 1: Chad /);
  expect(await callTool(tools[1]!, '6 * 7')).toMatchObject({ status: 'ok', observation: '42' });
  expect(await callTool(tools[1]!, 'x +')).toMatchObject({ status: 'error' });
  await close();
});

it('two tools of one name cannot be told apart', { timeout: 60_000 }, async () => {
  await expect(serve('--tools', 'python,javascript')).rejects.toThrow('The MCP server cannot be reached');
});
