import { createMemoryStore } from '@tapo/tools/cache';
import type { CacheStore } from '@tapo/tools/cache';
import { UsageError } from '../cli/command.js';
import type { ResolvedConfig } from '../config/schema.js';
import { expandEnvironment } from './environment.js';
import { importFor } from './named-tools.js';

/** The store that a config's `cache` names; undefined for none. @throws UsageError when it cannot be opened */
export async function openCacheStore(cache: ResolvedConfig['cache'] | undefined): Promise<CacheStore | undefined> {
  switch (cache?.store) {
    case 'none':
      return undefined;
    case 'sqlite': {
      const { openSqliteStore } = await importFor(
        'cache.store "sqlite"',
        '@libsql/client',
        () => import('@tapo/tools/sqlite-store'),
      );
      return openSqliteStore(cache.file).catch(asUsageError);
    }
    case 'redis': {
      const { openRedisStore } = await importFor(
        'cache.store "redis"',
        'unstorage ioredis',
        () => import('@tapo/tools/redis-store'),
      );
      const url = cache.url === undefined ? process.env['REDIS_URL'] : String(expandEnvironment(cache.url));
      if (!url)
        throw new UsageError('cache.store is "redis" but cache.url is missing', 'give --cache.url or set REDIS_URL');
      return openRedisStore({ url }).catch(asUsageError);
    }
    default:
      return createMemoryStore();
  }
}

function asUsageError(error: unknown): never {
  throw new UsageError(
    `the cache cannot be opened: ${(error as Error).message}`,
    'or go on without: --cache.store memory',
    {
      cause: error,
    },
  );
}
