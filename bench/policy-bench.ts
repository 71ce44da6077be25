/** What the benchmarks of the policy share: engines over models by size, a table and a JSON line. */
import {
  createLocalEngine,
  saveModelDirectory,
  type HostParameters,
  type LocalEngine,
  type LocalEngineOptions,
  type ModelConfig,
  type Tokenizer,
} from '@tapo/policy';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { randomModel, type Size } from '../apps/trainer/src/bench/models.js';
import type { PythonPeer } from './python.js';

export { batchOf, modelConfig, trainingFlops } from '../apps/trainer/src/bench/models.js';
export type { Size };

export function startEngine(
  size: Size,
  options: Partial<Omit<LocalEngineOptions, 'tokenizer'>> = {},
): Promise<LocalEngine<Tokenizer>> {
  return createLocalEngine({ ...randomModel(size), ...options });
}

/** Gives the Python peer the same model, as transformers loads it. */
export async function loadIntoPython(
  python: PythonPeer,
  config: ModelConfig,
  parameters: HostParameters,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'tapo-bench-'));
  await saveModelDirectory(directory, { config, parameters });
  await python.call('load', { directory });
  await rm(directory, { recursive: true });
}

export async function milliseconds(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

let rounds = 0;

/** Samples so many tokens after each prompt, all at once; every call is a round with sequences and seeds of its own. */
export function sampleRounds({ policy }: LocalEngine<Tokenizer>, prompts: readonly number[][], maxTokens: number) {
  return async (): Promise<void> => {
    const round = ++rounds;
    const options = { maxTokens, stop: [], temperature: 1, topP: 1, topK: 0 };
    await Promise.all(
      prompts.map((tokens, i) =>
        policy.sample({ sequenceId: `${round}/${i}`, tokens, seed: round * 1000 + i, ...options }),
      ),
    );
    await Promise.all(prompts.map((_, i) => policy.release(`${round}/${i}`)));
  };
}

/** Prints rows as a table, or with `--json` as one line of JSON. */
export function report(benchmark: string, rows: Record<string, string | number>[]): void {
  const rounded = rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        typeof value === 'number' ? Number(value.toPrecision(4)) : value,
      ]),
    ),
  );
  if (process.argv.includes('--json')) console.log(JSON.stringify({ benchmark, rows: rounded }));
  else {
    console.log(benchmark);
    console.table(rounded);
  }
}

/** `--name value` on the command line. */
export function argument(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] as string);
}
