import type { Program } from './program.js';

interface Entry {
  program: Promise<Program>;
  users: number;
  evicted: boolean;
}

/** Programs by signature; the one used longest ago goes first, when nobody runs it any more. */
export function createProgramCache(capacity: number) {
  const entries = new Map<string, Entry>();

  async function release(entry: Entry): Promise<void> {
    const program = await entry.program.catch(() => undefined);
    await program?.release();
  }

  async function evict(key: string): Promise<void> {
    const entry = entries.get(key);
    if (!entry) return;
    entries.delete(key);
    entry.evicted = true;
    if (entry.users === 0) await release(entry);
  }

  return {
    get size() {
      return entries.size;
    },
    /** Runs `task` with the program for `key`, which `build` makes if there is none or if it is stale. */
    async use<Result>(
      key: string,
      build: () => Promise<Program>,
      task: (program: Program) => Promise<Result>,
    ): Promise<Result> {
      const known = entries.get(key);
      if (known && (await isStale(known.program)) && entries.get(key) === known) await evict(key);
      const entry = entries.get(key) ?? { program: build(), users: 0, evicted: false };
      entries.delete(key);
      entries.set(key, entry);
      entry.users += 1;
      if (entries.size > capacity) await evict(entries.keys().next().value!);
      try {
        return await task(await entry.program);
      } catch (error) {
        if (await failed(entry.program)) entries.delete(key);
        throw error;
      } finally {
        entry.users -= 1;
        if (entry.evicted && entry.users === 0) await release(entry);
      }
    },
    async clear(): Promise<void> {
      for (const key of entries.keys()) await evict(key);
    },
  };
}

/** A variable captured by the function has been assigned since: its old value is a constant of the program. */
async function isStale(program: Promise<Program>): Promise<boolean> {
  const captured = await program.then(
    ({ variables }) => [...variables],
    () => [],
  );
  return captured.some(([variable, dataId]) => !variable.isDisposed && variable.dataId !== dataId);
}

function failed(program: Promise<Program>): Promise<boolean> {
  return program.then(
    () => false,
    () => true,
  );
}
