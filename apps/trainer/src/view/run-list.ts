import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { openRun } from './run.js';
import type { ViewedRun } from './run.js';

/** The runs in some directories; new ones appear, deleted ones go. */
export interface RunList {
  refresh(): Promise<readonly ViewedRun[]>;
  get(id: string): ViewedRun | undefined;
}

/** any of these makes a directory a run */
const marks = ['metrics.jsonl', 'config.json', 'run.json', 'trajectories'];
const deepest = 3;

/** @param places run directories, or directories with runs in them */
export function listRuns(places: readonly string[]): RunList {
  let runs: readonly ViewedRun[] = [];
  let open = new Map<string, ViewedRun>();
  return {
    async refresh() {
      const paths = [...new Set((await Promise.all(places.map((place) => findRuns(resolve(place), 0)))).flat())];
      const ids = uniqueNames(paths);
      runs = paths.map((path, i) => {
        const known = open.get(path);
        return known && known.id === ids[i] ? known : openRun(path, ids[i] as string);
      });
      open = new Map(runs.map((run) => [run.path, run]));
      return runs;
    },
    get: (id) => runs.find((run) => run.id === id),
  };
}

async function findRuns(directory: string, depth: number): Promise<string[]> {
  if (isRun(directory)) return [directory];
  if (depth === deepest) return [];
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const below = entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
    .map(({ name }) => name)
    .toSorted();
  return (await Promise.all(below.map((name) => findRuns(join(directory, name), depth + 1)))).flat();
}

function isRun(directory: string): boolean {
  return (
    existsSync(join(directory, 'metrics.jsonl')) ||
    // a model directory has a config.json, too
    (marks.some((mark) => existsSync(join(directory, mark))) && !existsSync(join(directory, 'tokenizer.json')))
  );
}

/** The last part of each path, with as many parents as it takes to tell them apart. */
export function uniqueNames(paths: readonly string[]): string[] {
  const name = (path: string, parts: number): string =>
    parts === 1 ? basename(path) : `${name(dirname(path), parts - 1)}/${basename(path)}`;
  return paths.map((path) => {
    for (let parts = 1; ; parts++) {
      const own = name(path, parts);
      const clash = paths.some((other) => other !== path && name(other, parts) === own);
      if (!clash || own.startsWith('/')) return own;
    }
  });
}
