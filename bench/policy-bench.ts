/** What the policy benchmarks share: models by size, batches, a table and a JSON line. */
import type { Batch } from '@tapo/core';
import {
  characterTokenizer,
  createLocalEngine,
  createTokenizer,
  initializeParameters,
  parseModelConfig,
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

import type { PythonPeer } from './python.js';

const tokenizer = createTokenizer(characterTokenizer());
/** Any number of tokens, none of which ends a sequence. */
const endless = (vocabSize: number) => ({ ...tokenizer, vocabSize, eosTokenIds: [] });

/** [hidden, MLP width, layers, heads, key/value heads, vocabulary] */
const sizes = {
  '0.1M': [64, 128, 2, 2, 2, 112],
  '0.2M': [96, 128, 3, 3, 3, 112],
  '1M': [128, 384, 4, 4, 4, 112],
  '10M': [320, 864, 6, 5, 5, 4096],
  '135M': [576, 1536, 30, 9, 3, 49152],
} as const satisfies Record<string, readonly number[]>;

export type Size = keyof typeof sizes;

export function modelConfig(size: Size): ModelConfig {
  const [hidden, width, layers, heads, kvHeads, vocabulary] = sizes[size];
  return parseModelConfig({
    model_type: 'qwen2',
    vocab_size: vocabulary,
    hidden_size: hidden,
    intermediate_size: width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    tie_word_embeddings: true,
    max_position_embeddings: 8192,
  });
}

export function startEngine(
  size: Size,
  options: Partial<Omit<LocalEngineOptions, 'tokenizer'>> = {},
): Promise<LocalEngine<Tokenizer>> {
  const config = modelConfig(size);
  const parameters = initializeParameters(config, { seed: 1, linearStd: 'fan-in', embeddingStd: 0.2 });
  return createLocalEngine({ config, parameters, tokenizer: endless(config.vocabSize), ...options });
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

/** A supervised batch of rows of the given lengths. */
export function batchOf(lengths: number[], vocabSize: number): Batch {
  const rows = lengths.length;
  const length = Math.max(...lengths);
  const size = rows * length;
  const real = lengths.reduce((total, each) => total + each, 0);
  const lossMask = Float32Array.from({ length: size }, (_, i) =>
    i % length < lengths[Math.floor(i / length)]! ? 1 : 0,
  );
  return {
    rows,
    length,
    lengths: Int32Array.from(lengths),
    inputs: Int32Array.from({ length: size }, (_, i) => (i * 31) % vocabSize),
    targets: Int32Array.from({ length: size }, (_, i) => (i * 17 + 5) % vocabSize),
    lossMask,
    weights: lossMask.map((mask) => mask / real),
  };
}

export async function milliseconds(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
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
