import type { CacheStore } from './cache.js';
import { loadPeer } from './peer.js';
import { storageStore } from './storage.js';

const { createStorage, redisDriver } = await loadPeer('@tapo/tools/redis-store', 'unstorage ioredis', async () => ({
  createStorage: (await import('unstorage')).createStorage,
  redisDriver: (await import('unstorage/drivers/redis')).default,
}));

export interface OpenRedisStoreOptions {
  /** `redis://user:password@host:6379/0`; never printed */
  url: string;
  /** before every key, so that others may use the same server */
  prefix?: string;
  /** of one look-up; beyond it the query counts as a miss */
  timeoutMs?: number;
}

/**
 * A cache in Redis, shared by all machines that reach it. Entries expire there. A server that goes away later costs
 * misses, never a search, and is found again when it comes back.
 * @throws if it cannot be reached now
 */
export async function openRedisStore(options: OpenRedisStoreOptions): Promise<CacheStore>;
export async function openRedisStore({
  url,
  prefix = 'tapo-cache',
  timeoutMs = 2_000,
}: Partial<OpenRedisStoreOptions> = {}): Promise<CacheStore> {
  if (!url) throw new TypeError('openRedisStore: got no url, wanted {url: "redis://host:6379"}');
  const driver = redisDriver({
    url,
    base: prefix,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 1,
  });
  const redis = driver.getInstance!();
  let lastError = 'no answer';
  // without a listener the library prints every failed attempt to connect
  redis.on('error', (error: Error) => (lastError = error.message || String((error as NodeJS.ErrnoException).code)));
  try {
    await redis.ping();
  } catch (error) {
    redis.disconnect();
    const { host } = new URL(url);
    throw new Error(`Redis at ${host} cannot be reached (${lastError}); start it, or choose another cache`, {
      cause: error,
    });
  }
  return storageStore(createStorage({ driver }));
}
