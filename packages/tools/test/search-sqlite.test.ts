import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callTool } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import { buildSqliteIndex, createSqliteSearch } from '@tapo/tools/search-sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';

const titles = [
  'Dominican Republic',
  'Dominica',
  'Equatorial Guinea',
  'Guinea-Bissau',
  'Papua New Guinea',
  'Guinea',
  'Nigeria',
  'Niger',
  'DR Congo',
  'Republic of the Congo',
  'São Tomé and Príncipe',
];
const documents = [
  ...titles.map((title, i) => ({ title, text: `${title} is a country. Its area is ${i + 1} thousand km2.` })),
  { title: 'Geography', text: 'Guinea, Guinea and Guinea again; Dominica, Niger and other areas.' },
];
let directory: string;
let file: string;
let count: number;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tapo-sqlite-'));
  file = join(directory, 'index.db');
  count = await buildSqliteIndex(file, documents);
});
afterAll(() => rm(directory, { recursive: true }));

toolConformance('sqlite search', () => createSqliteSearch({ file }), {
  test: it,
  cases: [
    { input: 'Dominica', observation: /^Doc 1: Dominica is/ },
    { input: 'area of the Niger', observation: /^Doc 1: Niger is/ },
    { input: 'quetzalcoatl', observation: /^No documents found/ },
    { input: '"unbalanced AND (NEAR*', observation: /^No documents found/ },
    { input: '???', observation: /^No documents found/ },
    { input: 'ab', status: 'refused', observation: 'has 2 characters' },
  ],
});

it.each(titles)('finds %s by its title, and inside a question', async (title) => {
  const search = createSqliteSearch({ file });
  for (const query of [title, title.toLowerCase(), `What is the area of ${title}?`]) {
    expect((await callTool(search, query)).observation).toMatch(new RegExp(`^Doc 1: ${title} is`));
  }
  await search.close?.();
});

it('says how many passages it took', () => {
  expect(count).toBe(12);
});

it('two read at the same time, and an index appears only when it is whole', async () => {
  const [a, b] = [createSqliteSearch({ file }), createSqliteSearch({ file })];
  const answers = await Promise.all([a, b, a, b].map((tool) => callTool(tool, 'Guinea')));
  expect(new Set(answers.map(({ observation }) => observation)).size).toBe(1);
  await Promise.all([a.close?.(), b.close?.()]);
  const other = join(directory, 'other.db');
  const broken = async function* () {
    yield documents[0]!;
    throw new Error('disk gone');
  };
  await expect(buildSqliteIndex(other, broken())).rejects.toThrow('disk gone');
  await expect(buildSqliteIndex(other, [])).rejects.toThrow('other.db: there are no passages to index');
  expect((await readdir(directory)).filter((name) => name.startsWith('other.db'))).toEqual([]);
});

it('tells how far it is, makes the directory, and can be stopped', async () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => ({ title: `t${i}`, text: 'some text' }));
  const told: number[] = [];
  const nested = join(directory, 'new', 'nested.db');
  await buildSqliteIndex(nested, many(2_500), { onProgress: (passages) => told.push(passages) });
  expect(told).toEqual([1_000, 2_000]);
  const controller = new AbortController();
  const stopped = buildSqliteIndex(`${nested}-2`, many(2_500), {
    signal: controller.signal,
    onProgress: () => controller.abort(new Error('enough')),
  });
  await expect(stopped).rejects.toThrow('enough');
  expect(await readdir(join(directory, 'new'))).toEqual(['nested.db']);
});

it('says what is wrong with a file', async () => {
  const observe = async (path: string) => (await callTool(createSqliteSearch({ file: path }), 'Chad')).observation;
  expect(await observe(join(directory, 'none.db'))).toContain('none.db: not found, wanted an index of version 1');
  await writeFile(join(directory, 'text.db'), 'no database '.repeat(100));
  expect(await observe(join(directory, 'text.db'))).toContain('text.db: not a database, wanted');
  await writeFile(join(directory, 'empty.db'), '');
  expect(await observe(join(directory, 'empty.db'))).toContain('empty.db: got version 0, wanted');
});
