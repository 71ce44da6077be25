import type { Storage } from 'unstorage';
import type { CacheStore } from './cache.js';

/**
 * A cache in any storage of unstorage: a directory, SQLite (through db0), Redis, and so on; shared by all processes and
 * machines that reach it. Whatever a crash may leave half-written is no entry, so it counts as a miss.
 *
 * ```ts
 * const storage = createStorage({ driver: redisDriver({ url: 'redis://cache:6379', base: 'tapo' }) });
 * const search = cached(createSerper({ apiKey }), { store: storageStore(storage), scope: 'serper' });
 * ```
 */
export function storageStore(storage: Storage): CacheStore {
  return {
    get: (key) => storage.getItem(key),
    // drivers that know a time to live (Redis) count in seconds; others leave it to the cache
    set: (key, value, { ttlMs }) => storage.setItem(key, value as never, { ttl: Math.ceil(ttlMs / 1000) }),
    close: () => storage.dispose(),
  };
}
