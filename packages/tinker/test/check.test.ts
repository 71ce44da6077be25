import { checkTinkerServer, type DialectName } from '@tapo/tinker';
import { afterEach, expect, it } from 'vitest';
import { startTinkerServer } from './server/tinker-server.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function check(reduction: 'sum' | 'datum-mean', dialect: DialectName) {
  const server = await startTinkerServer({ reduction });
  closers.push(server.close);
  const found = [];
  for await (const each of checkTinkerServer({ baseUrl: server.url, dialect, baseModel: 'toy' })) found.push(each);
  return found;
}

const names = ['reachable', 'models', 'create model', 'forward, backward', 'dialect', 'sampling'];

it.each([
  ['sum', 'tinker', 'two equal datums have 2.00 times the gradient of one: sum'],
  ['datum-mean', 'skyrl-jax', 'two equal datums have 1.00 times the gradient of one: datum-mean'],
] as const)('a server that reduces by %s, as dialect %s says: everything works', async (reduction, dialect, seen) => {
  const found = await check(reduction, dialect);
  expect(found.map(({ name, works }) => [name, works])).toEqual(names.map((name) => [name, true]));
  expect(found[4]?.detail).toContain(seen);
});

it('a dialect that says the wrong reduction is noticed, with the remedy', async () => {
  const found = await check('datum-mean', 'tinker');
  expect(found[4]).toMatchObject({ name: 'dialect', works: false });
  expect(found[4]?.detail).toContain('dialect "tinker" says sum: take skyrl-jax');
});

it('no server: one check, which says where it was looked for', async () => {
  const found = [];
  const options = { baseUrl: 'http://127.0.0.1:9', backoffMs: 1, maxAttempts: 1 };
  for await (const each of checkTinkerServer(options)) found.push(each);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ name: 'reachable', works: false });
  expect(found[0]?.detail).toContain('127.0.0.1:9');
});
