import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callTool } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import { createIndex, createSearch, loadIndex, saveIndex } from '@tapo/tools/search';
import { expect, it } from 'vitest';

const article = (title: string, area: number) => ({
  title,
  text: `${title} is a country. Its area is ${area} thousand km2.`,
});
const documents = [
  article('Dominican Republic', 49),
  article('Dominica', 1),
  article('Equatorial Guinea', 28),
  article('Guinea-Bissau', 36),
  article('Papua New Guinea', 463),
  article('Guinea', 246),
  article('Nigeria', 924),
  article('Niger', 1267),
  article('DR Congo', 2345),
  article('Republic of the Congo', 342),
  article('São Tomé and Príncipe', 1),
  article("Côte d'Ivoire", 322),
  { title: 'Geography', text: 'Guinea, Guinea and Guinea again; Dominica, Niger and other areas.' },
];
const search = createSearch({ documents });
const first = async (query: string) => (await callTool(search, query)).observation.split('\n')[0];

toolConformance('search', () => createSearch({ documents }), {
  test: it,
  cases: [
    { input: 'Dominica', observation: /^Doc 1: Dominica is/ },
    { input: 'area of the Niger', observation: /^Doc 1: Niger is/ },
    { input: 'quetzalcoatl', observation: /^No documents found\. Try other words\.$/ },
    { input: 'ab', status: 'refused', observation: 'has 2 characters; write between 3 and 300' },
    { input: 'x'.repeat(301), status: 'refused', observation: 'has 301 characters' },
  ],
});

it.each(documents.map(({ title }) => title))('finds %s by its title', async (title) => {
  expect(await first(title)).toMatch(new RegExp(`^Doc 1: ${title}`));
});

it.each(documents.slice(0, -1).map(({ title }) => title))('finds %s inside a question', async (title) => {
  expect(await first(`What is the area of ${title}?`)).toMatch(new RegExp(`^Doc 1: ${title} is`));
});

it('does not mind case, accents and punctuation', async () => {
  expect(await first('SAO TOME AND PRINCIPE')).toContain('São Tomé');
  expect(await first('cote d’ivoire area')).toContain("Côte d'Ivoire");
});

it('gives at most topK documents, one line each, numbered', async () => {
  const { observation } = await callTool(createSearch({ documents, topK: 2 }), 'Guinea');
  expect(observation).toBe(
    'Doc 1: Guinea is a country. Its area is 246 thousand km2.\n' +
      'Doc 2: Equatorial Guinea is a country. Its area is 28 thousand km2.',
  );
});

it('finds a title that is all stop words', async () => {
  const titles = createSearch({ documents: [{ title: 'It', text: 'A novel.' }, ...documents] });
  expect((await callTool(titles, 'what is it')).observation).toMatch(/^Doc 1: It A novel\./);
});

it('keeps the order of the documents where scores are equal', async () => {
  const same = Array.from({ length: 5 }, (_, i) => ({ title: 'Twin', text: `number ${'abcde'[i]}` }));
  const { observation } = await callTool(createSearch({ documents: same }), 'twin');
  expect(observation).toBe('Doc 1: Twin number a\nDoc 2: Twin number b\nDoc 3: Twin number c');
});

it('keeps a document on its line, and cuts a long one', async () => {
  const long = [{ title: 'Long', text: `one\ntwo ${'x'.repeat(500)}` }];
  const { observation } = await callTool(createSearch({ documents: long, maxHitLength: 100 }), 'long');
  // "Long one two " and 500 x make 513 units
  expect(observation).toMatch(/^Doc 1: Long one two x+ … \[413 characters left out\] … x+$/);
});

it('wants documents or an index, and a topK that makes sense', () => {
  expect(() => createSearch({})).toThrow('got neither of documents and index');
  expect(() => createSearch({ documents, index: createIndex(documents) })).toThrow('got both');
  expect(() => createSearch({ documents, topK: 0 })).toThrow('got topK 0');
});

it('an index comes back from disk with the same answers', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tapo-search-'));
  try {
    const file = join(directory, 'index.json');
    await saveIndex(createIndex(documents), file);
    const loaded = createSearch({ index: await loadIndex(file) });
    for (const query of ['Guinea', 'area of Dominica', 'thousand km2']) {
      expect((await callTool(loaded, query)).observation).toBe((await callTool(search, query)).observation);
    }

    const text = await readFile(file, 'utf8');
    await writeFile(file, text.slice(0, 1000));
    await expect(loadIndex(file)).rejects.toThrow(`${file}: not valid JSON, wanted an index of format`);
    await writeFile(file, '{"format":"other"}');
    await expect(loadIndex(file)).rejects.toThrow('got format other');
    await writeFile(file, text.replace('"version":1', '"version":9'));
    await expect(loadIndex(file)).rejects.toThrow('got version 9');
    await writeFile(file, '{"format":"tapo-search-index","version":1}');
    await expect(loadIndex(file)).rejects.toThrow('got a damaged index');
    await expect(loadIndex(join(directory, 'none'))).rejects.toThrow('ENOENT');
  } finally {
    await rm(directory, { recursive: true });
  }
});
