import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createToolPackage } from 'create-tapo-tool';
import { afterEach, beforeEach, expect, it } from 'vitest';

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const packageRoot = (name: string) => dirname(require.resolve(`${name}/package.json`));
let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'create-tapo-tool-'));
});
afterEach(() => rm(parent, { recursive: true }));

it('writes a package of that name, with nothing left to fill in', async () => {
  const directory = join(parent, 'tapo-tool-deep-thought');
  const { packageName, toolName, files } = await createToolPackage(directory);
  expect([packageName, toolName]).toEqual(['tapo-tool-deep-thought', 'deep_thought']);
  expect(files).toEqual([
    '.gitignore',
    'README.md',
    'package.json',
    'src/index.ts',
    'test/tool.test.js',
    'tsconfig.json',
  ]);
  for (const file of files) expect(await readFile(join(directory, file), 'utf8')).not.toMatch(/__\w+__/);
  expect(await readFile(join(directory, 'src/index.ts'), 'utf8')).toContain('createDeepThought(');
  expect(JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'))).toMatchObject({ name: packageName });
});

it('the package builds and passes the conformance suite', { timeout: 60_000 }, async () => {
  const directory = join(parent, 'word-count');
  await createToolPackage(directory, { packageName: '@me/tapo-tool-word-count' });
  // what `npm install` would do, with this repository's source in place of a published package
  await mkdir(join(directory, 'node_modules/@tapo'), { recursive: true });
  await mkdir(join(directory, 'node_modules/@types'));
  await symlink(packageRoot('@tapo/tools'), join(directory, 'node_modules/@tapo/tools'));
  await symlink(packageRoot('@types/node'), join(directory, 'node_modules/@types/node'));
  await run(process.execPath, [require.resolve('typescript/bin/tsc'), '--customConditions', 'tapo-source'], {
    cwd: directory,
  });
  const tsx = require.resolve('tsx');
  const args = ['--import', tsx, '--conditions=tapo-source', '--test', 'test/tool.test.js'];
  const { stdout } = await run(process.execPath, args, { cwd: directory, env: {} });
  expect(stdout).toMatch(/^# pass 1\d$/m);
  expect(stdout).toMatch(/^# fail 0$/m);
});

it.runIf(existsSync('/proc'))('where nothing can be made, it says so', async () => {
  await expect(createToolPackage('/proc/none/tapo-tool-x')).rejects.toThrow(
    "ENOENT: no such file or directory, mkdir '/proc/none'",
  );
});

it('a scope is part of the name', async () => {
  expect(await createToolPackage(join(parent, '@me/tapo-tool-sums'))).toMatchObject({
    packageName: '@me/tapo-tool-sums',
    toolName: 'sums',
  });
});

it('touches nothing that is there, and takes no name that npm would refuse', async () => {
  await writeFile(join(parent, 'mine.txt'), 'mine');
  await expect(createToolPackage(parent, { packageName: 'mine' })).rejects.toThrow(
    'holds mine.txt; wanted an empty or a new directory',
  );
  await expect(createToolPackage(join(parent, 'Big Name'))).rejects.toThrow('got the package name "Big Name"');
  await expect(createToolPackage(join(parent, 'tapo-tool-Paris'))).rejects.toThrow('got the package name');
});

it.each(['tapo-tool-3d', 'tapo-tool-answer', 'tapo-tool-'])('%s would be no tag: nothing is written', async (name) => {
  const directory = join(parent, name);
  await expect(createToolPackage(directory)).rejects.toThrow(`the tool of the package "${name}" would be called`);
  await expect(readFile(join(directory, 'package.json'))).rejects.toThrow('ENOENT');
});

it('the command says what to do next, and fails with a message', { timeout: 30_000 }, async () => {
  const bin = fileURLToPath(new URL('../src/bin.ts', import.meta.url));
  const call = (...args: string[]) =>
    run(process.execPath, ['--import', require.resolve('tsx'), bin, ...args], { cwd: parent });
  expect((await call('word-count')).stdout).toContain('cd word-count\n  npm install\n  npm test');
  await expect(call('word-count')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('word-count holds '),
  });
  await expect(call()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('usage: npm create tapo-tool'),
  });
});
