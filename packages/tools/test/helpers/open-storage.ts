import { createClient } from '@libsql/client';
import { createDatabase } from 'db0';
import libsql from 'db0/connectors/libsql/core';
import { createStorage } from 'unstorage';
import type { Storage } from 'unstorage';
import db0Driver from 'unstorage/drivers/db0';
import fsDriver from 'unstorage/drivers/fs-lite';
import redisDriver from 'unstorage/drivers/redis';

/** The storages that the cache is tested on; `location` is a directory, a file, or port/prefix. */
export async function openStorage(driver: string, location: string): Promise<Storage> {
  if (driver === 'directory') return createStorage({ driver: fsDriver({ base: location }) });
  if (driver === 'redis') {
    const [port, base] = location.split('/');
    return createStorage({ driver: redisDriver({ port: Number(port), base: base! }) });
  }
  const client = createClient({ url: `file:${location}` });
  // several processes write: wait for one another, and keep readers out of it
  await client.execute('PRAGMA busy_timeout = 5000');
  await client.execute('PRAGMA journal_mode = WAL');
  const database = createDatabase(libsql({ getClient: () => client }));
  return createStorage({ driver: db0Driver({ database }) });
}

/** 300 questions, half of them about 10 of 100 countries: as in training, rollouts ask what others have asked. */
export function repeatedQueries(): string[] {
  return Array.from({ length: 300 }, (_, i) => {
    const n = (i * 7919) % 1000;
    return `country number ${n < 500 ? n % 10 : n % 100} of the world`;
  });
}
