import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const needs = {
  'ai-sdk': 'ai',
  langchain: '@langchain/core',
  mcp: '@modelcontextprotocol/sdk',
  'mcp-server': '@modelcontextprotocol/sdk',
  'openai-agents': '@openai/agents',
  'redis-store': 'unstorage ioredis',
  'search-sqlite': '@libsql/client',
  'sqlite-store': '@libsql/client',
};

/** Makes Node find none of the peers, in a process of its own. */
const withoutPeers = `
  export async function resolve(specifier, context, next) {
    const name = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
    if (!${JSON.stringify(Object.values(needs).join(' ').split(' '))}.includes(name)) return next(specifier, context);
    const error = new Error("Cannot find package '" + name + "' imported from " + context.parentURL);
    throw Object.assign(error, { code: 'ERR_MODULE_NOT_FOUND' });
  }`;
const program = `
  import { register } from 'node:module';
  register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(withoutPeers)}`)});
  for (const subpath of ${JSON.stringify(Object.keys(needs))}) {
    await import('@tapo/tools/' + subpath).catch(({ code, message }) => console.log(code, message));
  }`;

it('a subpath whose library is not installed says what to install', async () => {
  const args = ['--import', 'tsx', '--conditions=tapo-source', '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
  });
  const told = Object.entries(needs).map(
    ([subpath, libraries]) =>
      `ERR_MODULE_NOT_FOUND @tapo/tools/${subpath} needs ${libraries}: npm install ${libraries}\n`,
  );
  expect(stdout).toBe(told.join(''));
});
