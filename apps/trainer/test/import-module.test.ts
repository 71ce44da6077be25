import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { importModule } from '../src/import-module.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tapo-import-'));
});

async function write(files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(directory, name, '..'), { recursive: true });
    await writeFile(join(directory, name), text);
  }
}

it('TypeScript, with what it imports by path and from packages; nothing is left beside it', async () => {
  await write({
    'main.ts': `import { level } from './lib/level.js'; import { word } from 'dictionary';
                enum Size { Small = 3 } export const size: number = Size.Small; export { level, word };`,
    'lib/level.ts': `import { readFileSync } from 'node:fs';
                     export const level = JSON.parse(readFileSync(new URL('./level.json', import.meta.url), 'utf8'));`,
    'lib/level.json': '7',
    'node_modules/dictionary/package.json': '{"name": "dictionary", "type": "module", "exports": "./index.js"}',
    'node_modules/dictionary/index.js': 'export const word = "hut";',
  });
  expect({ ...(await importModule(join(directory, 'main.ts'))) }).toEqual({ size: 3, level: 7, word: 'hut' });
  expect((await readdir(directory)).toSorted()).toEqual(['lib', 'main.ts', 'node_modules']);
});

it('an installed package is loaded as it is, CommonJS as its exports', async () => {
  await write({
    'node_modules/tool/index.mjs': 'export const url = import.meta.url;',
    'old.js': 'exports.tool = { name: "old" };',
  });
  const file = join(directory, 'node_modules/tool/index.mjs');
  expect((await importModule(file))['url']).toBe(`file://${file}`);
  expect((await importModule(join(directory, 'old.js')))['tool']).toEqual({ name: 'old' });
});

it('a mistake is told with file and line', async () => {
  await write({ 'main.ts': 'export const a = 1;\nexport const b = ;\n', 'lost.ts': "import './gone.js';" });
  await expect(importModule(join(directory, 'main.ts'))).rejects.toThrow('main.ts:2:17: ERROR: Unexpected ";"');
  await expect(importModule(join(directory, 'lost.ts'))).rejects.toThrow('Could not resolve "./gone.js"');
});
