import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from './cli/command.js';

/** Where a run writes. The layout is documented in docs/run-directory.md; the dashboard reads it. */
export interface RunDirectory {
  readonly path: string;
  writeJson(name: string, value: unknown): Promise<void>;
  writeText(name: string, text: string): Promise<void>;
  /** adds a line to `metrics.jsonl` (every step) or `evaluations.jsonl` */
  appendLine(name: 'metrics' | 'evaluations', line: { step: number; [key: string]: unknown }): Promise<void>;
  /** one line each in `trajectories/step-N.jsonl` */
  writeTrajectories(step: number, records: readonly object[]): Promise<void>;
  /**
   * Writes `checkpoints/step-N` by filling a temporary directory and renaming it: it is complete or absent, whatever
   * interrupts. Then deletes all but the newest `keep`.
   */
  writeCheckpoint(step: number, keep: number, fill: (directory: string) => Promise<void>): Promise<string>;
  /** the newest complete checkpoint */
  latestCheckpoint(): Promise<{ step: number; directory: string } | undefined>;
  /** Forgets metrics, evaluations and trajectories of later steps: a resumed run writes them again. */
  rewindTo(step: number): Promise<void>;
}

/** Opens a run directory; it is created with its first file. */
export function openRunDirectory(path: string): RunDirectory {
  const at = (...parts: string[]) => join(path, ...parts);

  async function writeText(name: string, text: string): Promise<void> {
    await mkdir(join(at(name), '..'), { recursive: true });
    await writeFile(at(`${name}.partial`), text);
    await rename(at(`${name}.partial`), at(name));
  }

  async function checkpoints(): Promise<{ step: number; directory: string }[]> {
    return (await entries(at('checkpoints')))
      .flatMap((name) => {
        const step = /^step-(\d+)$/.exec(name)?.[1];
        return step === undefined ? [] : [{ step: Number(step), directory: at('checkpoints', name) }];
      })
      .toSorted((a, b) => b.step - a.step);
  }

  return {
    path,
    writeText,
    writeJson: (name, value) => writeText(name, `${JSON.stringify(value, null, 2)}\n`),
    async appendLine(name, line) {
      await mkdir(path, { recursive: true });
      await appendFile(at(`${name}.jsonl`), `${JSON.stringify(line)}\n`);
    },
    writeTrajectories: (step, records) =>
      writeText(
        join('trajectories', `step-${step}.jsonl`),
        records.map((record) => `${JSON.stringify(record)}\n`).join(''),
      ),
    async writeCheckpoint(step, keep, fill) {
      const directory = at('checkpoints', `step-${step}`);
      const partial = at('checkpoints', `.step-${step}.partial`);
      await rm(partial, { recursive: true, force: true });
      await mkdir(partial, { recursive: true });
      await fill(partial);
      await rm(directory, { recursive: true, force: true });
      await rename(partial, directory);
      for (const old of (await checkpoints()).slice(keep)) await rm(old.directory, { recursive: true, force: true });
      return directory;
    },
    latestCheckpoint: async () => (await checkpoints())[0],
    async rewindTo(step) {
      for (const name of ['metrics.jsonl', 'evaluations.jsonl']) {
        if (!existsSync(at(name))) continue;
        const kept = (await readJsonLines(at(name))).filter((line) => Number(line['step']) <= step);
        await writeText(name, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
      }
      for (const name of await entries(at('trajectories'))) {
        if (Number(/^step-(\d+)\.jsonl$/.exec(name)?.[1]) > step) await rm(at('trajectories', name));
      }
    },
  };
}

/** A JSON file of a run. @throws UsageError when it is not JSON */
export async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** The objects of a JSONL file; a last line cut off by a crash is left out. */
export async function readJsonLines(file: string): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.flatMap((line, index) => {
    try {
      return [JSON.parse(line) as Record<string, unknown>];
    } catch (error) {
      if (index === lines.length - 1) return [];
      throw new UsageError(`${file}:${index + 1}: not valid JSON: ${(error as Error).message}`);
    }
  });
}

/** @throws UsageError unless the directory is free to start a run in */
export async function requireEmptyRun(path: string): Promise<void> {
  const files = await entries(path);
  if (files.length > 0) {
    throw new UsageError(
      `${path} already holds a run`,
      `go on with it: tapo train --resume ${path}; or choose another with --out DIR`,
    );
  }
}

async function entries(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
