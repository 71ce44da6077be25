import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@libsql/client';
import type { CacheStore } from './cache.js';
import { loadPeer } from './peer.js';

const { createClient } = await loadPeer('@tapo/tools/sqlite-store', '@libsql/client', () => import('@libsql/client'));

// how long a process waits for another one that is writing
const BUSY_MS = 5_000;
const OPEN_ATTEMPTS = 40;

/**
 * A cache in one SQLite file, shared by all processes of a machine; they may open it at the same moment. Each entry is a
 * transaction of its own, so a process that is killed in the middle of a write leaves the old entry or none. Entries
 * past their time are deleted when the file is opened.
 * @throws if the file is something else: the error names it and the remedy
 */
export async function openSqliteStore(file: string): Promise<CacheStore> {
  await mkdir(dirname(resolve(file)), { recursive: true });
  const client = createClient({ url: `file:${file}` });
  try {
    await prepare(client);
  } catch (error) {
    client.close();
    const got = error instanceof Error ? error.message : String(error);
    throw new Error(`${file}: ${got}; wanted a cache of ours or a new file: delete it or choose another`, {
      cause: error,
    });
  }
  return {
    async get(key) {
      const { rows } = await client.execute({ sql: 'SELECT value FROM tapo_cache WHERE key = ?', args: [key] });
      const value = rows[0]?.['value'];
      return value === undefined ? undefined : (JSON.parse(String(value)) as unknown);
    },
    async set(key, value, { ttlMs }) {
      const args = [key, JSON.stringify(value), Date.now() + ttlMs];
      await client.execute({ sql: 'INSERT OR REPLACE INTO tapo_cache VALUES (?, ?, ?)', args });
    },
    async close() {
      client.close();
    },
  };
}

/** Two processes that make the file at the same moment lock each other out, whatever the busy timeout: try again. */
async function prepare(client: Client): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.execute(`PRAGMA busy_timeout = ${BUSY_MS}`);
      // readers do not wait for writers
      await client.execute('PRAGMA journal_mode = WAL');
      await client.execute('PRAGMA synchronous = NORMAL');
      await client.execute('CREATE TABLE IF NOT EXISTS tapo_cache(key TEXT PRIMARY KEY, value TEXT, expires_at REAL)');
      await client.execute({ sql: 'DELETE FROM tapo_cache WHERE expires_at < ?', args: [Date.now()] });
      return;
    } catch (error) {
      if (attempt === OPEN_ATTEMPTS || !/busy|locked/i.test(String(error))) throw error;
      await sleep(25 + Math.random() * 50);
    }
  }
}
