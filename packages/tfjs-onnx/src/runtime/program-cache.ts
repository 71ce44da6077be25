import type * as tf from '@tensorflow/tfjs-core';
import type { Program } from './program.js';

interface Entry {
  program: Promise<Program>;
  users: number;
  evicted: boolean;
}

/**
 * Programs by signature; the one used longest ago goes first, when nobody runs it any more.
 * @param onStale is told which variables have been assigned since a program read them
 */
export function createProgramCache(capacity: number, onStale: (variables: tf.Variable[]) => void) {
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
      const assigned = known ? await assignedSince(known.program) : [];
      onStale(assigned);
      if (assigned.length > 0 && entries.get(key) === known) await evict(key);
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

/** Variables captured by the function that have been assigned since: their old values are constants of the program. */
async function assignedSince(program: Promise<Program>): Promise<tf.Variable[]> {
  const captured = await program.then(
    ({ variables }) => [...variables],
    () => [],
  );
  return captured.flatMap(([variable, dataId]) =>
    !variable.isDisposed && variable.dataId !== dataId ? [variable] : [],
  );
}

function failed(program: Promise<Program>): Promise<boolean> {
  return program.then(
    () => false,
    () => true,
  );
}
