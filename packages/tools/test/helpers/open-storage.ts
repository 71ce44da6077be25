import { openRedisStore } from '@tapo/tools/redis-store';
import { openSqliteStore } from '@tapo/tools/sqlite-store';
import { storageStore } from '@tapo/tools/storage';
import type { CacheStore } from '@tapo/tools/cache';
import { createStorage } from 'unstorage';
import fsDriver from 'unstorage/drivers/fs-lite';

/** The stores that the cache is tested on; `location` is a directory, a file, or port/prefix. */
export async function openStore(driver: string, location: string): Promise<CacheStore> {
  if (driver === 'directory') return storageStore(createStorage({ driver: fsDriver({ base: location }) }));
  if (driver === 'sqlite') return openSqliteStore(location);
  const [port, prefix] = location.split('/');
  return openRedisStore({ url: `redis://127.0.0.1:${port}`, prefix: prefix! });
}

/** 300 questions, half of them about 10 of 100 countries: as in training, rollouts ask what others have asked. */
export function repeatedQueries(): string[] {
  return Array.from({ length: 300 }, (_, i) => {
    const n = (i * 7919) % 1000;
    return `country number ${n < 500 ? n % 10 : n % 100} of the world`;
  });
}
