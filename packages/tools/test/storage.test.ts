import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { callTool } from '@tapo/tools';
import { cached } from '@tapo/tools/cache';
import type { CacheCounts } from '@tapo/tools/cache';
import { createSearch } from '@tapo/tools/search';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore, repeatedQueries } from './helpers/open-storage.js';

const process_ = [
  '--import',
  'tsx',
  '--conditions=tapo-source',
  fileURLToPath(new URL('./helpers/cache-process.ts', import.meta.url)),
];
const run = async (driver: string, location: string) => {
  const { stdout } = await promisify(execFile)(process.execPath, [...process_, driver, location]);
  return JSON.parse(stdout) as CacheCounts & { wrong: number };
};

let directory: string;
let redis: { port: number; close: () => void } | undefined;
const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tapo-storage-'));
  if (hasRedis) redis = await startRedis();
});
afterAll(async () => {
  redis?.close();
  await rm(directory, { recursive: true });
});

async function startRedis(port?: number) {
  if (port === undefined) {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    ({ port } = probe.address() as AddressInfo);
    probe.close();
  }
  const server = spawn('redis-server', ['--port', String(port), '--save', '', '--dir', directory]);
  while (!String((await once(server.stdout, 'data'))[0]).includes('Ready to accept')) continue;
  const kill = () => server.kill('SIGKILL') && once(server, 'exit');
  return { port, kill, close: () => server.kill() };
}

const drivers = ['directory', 'sqlite', ...(hasRedis ? ['redis'] : [])];
describe.each(drivers)('a cache in %s', (driver) => {
  let places = 0;
  const place = () => {
    places += 1;
    return driver === 'redis' ? `${redis!.port}/place-${places}` : join(directory, `${driver}-${places}`);
  };

  it('is shared by processes, one after the other and at the same time', { timeout: 60_000 }, async () => {
    const location = place();
    const [a, b] = await Promise.all([run(driver, location), run(driver, location)]);
    const later = await run(driver, location);
    for (const { wrong, storeErrors } of [a, b, later]) expect([wrong, storeErrors]).toEqual([0, 0]);
    // 300 queries each; what one has asked the other need not ask, but for those asked at the same moment
    const different = new Set(repeatedQueries()).size;
    expect(a.externalQueries + b.externalQueries).toBeGreaterThanOrEqual(different);
    expect(a.externalQueries + b.externalQueries).toBeLessThan(2 * different);
    expect(later).toMatchObject({ exact: 300, miss: 0, externalQueries: 0 });
  });

  it('holds no broken entry after a process was killed while writing', { timeout: 60_000 }, async () => {
    const location = place();
    for (let round = 0; round < 2; round++) {
      const child = spawn(process.execPath, [...process_, driver, location, String(round * 100_000), 'fill']);
      // a dot for each entry
      for (let written = 0; written < 20;) written += String((await once(child.stdout, 'data'))[0]).length;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const inner = createSearch({ documents: [] });
    const tool = cached(
      { ...inner, execute: async (query) => [{ title: query, text: 'anew' }] },
      { store: await openStore(driver, location) },
    );
    const context = { toolCallId: 'c', rolloutId: 'r', signal: new AbortController().signal };
    const textOf = async (i: number) => {
      const query = `country number ${i} of the world`;
      const [hit] = await tool.execute(query, context);
      expect(hit?.title).toBe(query);
      return hit!.text;
    };
    for (const first of [0, 100_000]) {
      // written one after the other: whole entries up to the one that was under way, and none after it
      let next = first;
      while ((await textOf(next)) === 'x'.repeat(20_000)) next += 1;
      expect(next).toBeGreaterThan(first);
      for (let i = next; i < next + 5; i++) expect(await textOf(i)).toBe('anew');
    }
    expect(tool.counts().storeErrors).toBe(0);
    await tool.close?.();
  });
});

it.runIf(hasRedis)(
  'a Redis that is killed costs misses, never a search, and is used again when it is back',
  async () => {
    const first = await startRedis();
    const inner = createSearch({ documents: [{ title: 'Chad', text: 'Chad lies in Africa.' }] });
    const search = cached(inner, { store: await openStore('redis', `${first.port}/place`) });
    const ask = async () => expect((await callTool(search, 'Chad')).observation).toBe('Doc 1: Chad lies in Africa.');
    await ask();
    await ask();
    expect(search.counts()).toMatchObject({ exact: 1, miss: 1, storeErrors: 0 });

    await first.kill();
    await ask();
    const { miss, storeErrors } = search.counts();
    expect(miss).toBe(2);
    expect(storeErrors).toBeGreaterThan(0);

    const second = await startRedis(first.port);
    // it kept nothing: a miss, once the connection is there again, and then hits
    for (let exact = 1; exact === 1; { exact } = search.counts()) await ask();
    await search.close?.();
    second.close();
  },
);

it('half an entry is a miss', async () => {
  const location = join(directory, 'half');
  const ask = async () => {
    const documents = [{ title: 'Chad', text: 'Chad lies in Africa.' }];
    const tool = cached(createSearch({ documents }), { store: await openStore('directory', location) });
    expect((await callTool(tool, 'Chad')).observation).toBe('Doc 1: Chad lies in Africa.');
    return tool.counts();
  };
  expect(await ask()).toMatchObject({ miss: 1 });
  expect(await ask()).toMatchObject({ exact: 1 });
  for (const file of await readdir(location)) await writeFile(join(location, file), '{"query":"Chad","hits":[{"ti');
  expect(await ask()).toMatchObject({ miss: 1, storeErrors: 0 });
  expect(await ask()).toMatchObject({ exact: 1 });
});

it('a file that is no cache, or a server that is not there, is told by name', async () => {
  const file = join(directory, 'notes.txt');
  await writeFile(file, 'this is no database, but it is longer than a hundred bytes, '.repeat(20));
  await expect(openStore('sqlite', file)).rejects.toThrow(/notes\.txt: .*not a database; wanted a cache of ours/);
  // port 1 is nobody's
  await expect(openStore('redis', '1/x')).rejects.toThrow(
    /^Redis at 127\.0\.0\.1:1 cannot be reached \(.*ECONNREFUSED/,
  );
});

it('entries past their time are gone when the file is opened again', async () => {
  const file = join(directory, 'old.sqlite');
  const first = await openStore('sqlite', file);
  await first.set('old', 1, { ttlMs: -1 });
  await first.set('new', [2], { ttlMs: 60_000 });
  await first.close?.();
  const second = await openStore('sqlite', file);
  expect([await second.get('old'), await second.get('new')]).toEqual([undefined, [2]]);
  await second.close?.();
});
