/** The two compiled functions of the sampler: one token of many rows, and many tokens of one row. */
import type * as tf from '@tensorflow/tfjs-core';

import type { ModelConfig } from '../config.js';
import { decodeStep, prefillStep, type CachedInputs, type KvCache } from '../model.js';
import {
  blockedDistribution,
  blockedShapes,
  LARGE_VOCABULARY,
  type BlockedDistribution,
} from './blocked-distribution.js';
import type { CachePool, CacheRow, CacheView, KvCacheMemory, NewEntries } from './kv-cache.js';
import { modelOf, type ParameterStore } from './parameter-store.js';
import { floats, ints, type HostTensor, type RunnableFunction, type Runner, type TensorFunction } from './runner.js';

/** What one row feeds. */
export interface Fed {
  /** its next token */
  token: number;
  /** positions it has cached */
  cached: number;
  temperature: number;
}

/** Logits of a row, and where the vocabulary is large the distribution at the row's temperature. */
export interface NextTokenScores {
  logits: Float32Array;
  distribution?: BlockedDistribution;
}

/** Results are valid until the next call. */
export interface Decoder {
  /** One token of each of `count` rows of a pool from `first` on, within one block; a row may have nothing to feed. */
  step<Owner extends { cached: number }>(
    cache: KvCacheMemory<Owner>,
    pool: CachePool<Owner>,
    first: number,
    fed: readonly (Fed | undefined)[],
  ): Promise<{ scores(row: number): NextTokenScores; entries: NewEntries }>;
  /** Up to `chunkTokens` tokens of one row, bit for bit as that many steps would. Absent where that does not hold. */
  prefill?<Owner extends { cached: number }>(
    cache: KvCacheMemory<Owner>,
    row: CacheRow<Owner>,
    tokens: readonly number[],
  ): Promise<NewEntries>;
  readonly chunkTokens: number;
  readonly compiledCount: number;
  /** padded number of rows of a step */
  paddedRows(rows: number): number;
}

/** Per row of a step. */
interface Columns {
  tokens: Int32Array;
  lengths: Int32Array;
  inverseTemperatures: Float32Array;
}

export interface DecoderOptions {
  /** largest number of rows of a step */
  maxRows: number;
  compiledShapes: number;
}

/**
 * Numbers of rows a step is compiled for. Not one: ONNX Runtime's matrix kernels give a row the same bits among any number
 * of rows above one, and other bits when it is alone.
 */
const ROWS = [4, 16, 32, 64, 128, 256];

/** Tokens of one prefill. */
const CHUNK_TOKENS = 32;

export function createDecoder(
  store: ParameterStore,
  config: ModelConfig,
  runner: Runner,
  { maxRows, compiledShapes }: DecoderOptions,
): Decoder {
  const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) => layer);

  function fedTo(inputs: Record<string, tf.Tensor>) {
    const cache = { keys: layers.map((l) => inputs[`keys/${l}`]!), values: layers.map((l) => inputs[`values/${l}`]!) };
    const fed: CachedInputs = { tokens: inputs.tokens!, lengths: inputs.lengths!, cache };
    return { ...modelOf(store, (name) => inputs[name] as tf.Tensor), fed };
  }
  function named({ keys, values }: KvCache): Record<string, tf.Tensor> {
    const tensors: Record<string, tf.Tensor> = {};
    keys.forEach((tensor, l) => (tensors[`newKeys/${l}`] = tensor));
    values.forEach((tensor, l) => (tensors[`newValues/${l}`] = tensor));
    return tensors;
  }
  const decode: TensorFunction = (inputs) => {
    const { parameters, fed, options } = fedTo(inputs);
    const { logits, entries } = decodeStep(parameters, fed, config, options);
    const distribution = isLarge ? blockedDistribution(logits, inputs.inverseTemperatures!) : {};
    return { logits, ...distribution, ...named(entries) };
  };
  const prefill: TensorFunction = (inputs) => {
    const { parameters, fed, options } = fedTo(inputs);
    return named(prefillStep(parameters, fed, config, options));
  };
  const isLarge = config.vocabSize >= LARGE_VOCABULARY;
  const prepared = new Map<TensorFunction, RunnableFunction>();
  const bound = new WeakMap<CacheView, () => Promise<Record<string, HostTensor>>>();
  const columns = new Map<number, Columns>();
  const results = new Map<string, Record<string, HostTensor>>();

  /** Results of a shape: always the same memory. */
  function outputsFor(rows: number, positions: number, logits: boolean): Record<string, HostTensor> {
    const key = `${rows}x${positions}`;
    const known = results.get(key);
    if (known) return known;
    const zeros = (...shape: number[]) => floats(new Float32Array(shape.reduce((a, b) => a * b)), shape);
    const made: Record<string, HostTensor> = logits ? { logits: zeros(rows, config.vocabSize) } : {};
    if (logits && isLarge) {
      for (const [name, shape] of Object.entries(blockedShapes(rows, config.vocabSize))) made[name] = zeros(...shape);
    }
    for (const name of layers.flatMap((l) => [`newKeys/${l}`, `newValues/${l}`])) {
      made[name] = zeros(rows, config.numKeyValueHeads, positions, config.headDim);
    }
    results.set(key, made);
    return made;
  }

  function bind(
    f: TensorFunction,
    rows: Record<string, HostTensor>,
    { keys, values, shape }: CacheView,
    outputs: Record<string, HostTensor>,
  ): () => Promise<Record<string, HostTensor>> {
    let runnable = prepared.get(f);
    if (!runnable) {
      runnable = runner.prepare(f, { name: f === decode ? 'decode' : 'prefill', cacheSize: compiledShapes });
      prepared.set(f, runnable);
    }
    const inputs: Record<string, HostTensor> = { ...store.weights, ...rows };
    for (const l of layers) {
      inputs[`keys/${l}`] = floats(keys[l] as Float32Array, shape);
      inputs[`values/${l}`] = floats(values[l] as Float32Array, shape);
    }
    return runnable.bind(inputs, { outputs });
  }

  function entriesIn(found: Record<string, HostTensor>, positions: number): NewEntries {
    const data = (name: string) => found[name]!.data as Float32Array;
    return {
      keys: layers.map((l) => data(`newKeys/${l}`)),
      values: layers.map((l) => data(`newValues/${l}`)),
      positions,
    };
  }

  /** What a step of that many rows feeds: always the same memory. */
  function columnsFor(size: number): Columns {
    let made = columns.get(size);
    if (!made) {
      made = {
        tokens: new Int32Array(size),
        lengths: new Int32Array(size),
        inverseTemperatures: new Float32Array(size),
      };
      columns.set(size, made);
    }
    return made;
  }

  const paddedRows = (rows: number) => Math.min(maxRows, ROWS.find((size) => size >= rows) ?? maxRows);
  const decoder: Decoder = {
    chunkTokens: CHUNK_TOKENS,
    paddedRows,
    get compiledCount() {
      return [...prepared.values()].reduce((total, { compiledCount }) => total + compiledCount, 0);
    },
    async step(cache, pool, first, fed) {
      const size = paddedRows(fed.length);
      const { tokens, lengths, inverseTemperatures } = columnsFor(size);
      for (let i = 0; i < size; i++) {
        tokens[i] = fed[i]?.token ?? 0;
        lengths[i] = fed[i]?.cached ?? 0;
        inverseTemperatures[i] = 1 / (fed[i]?.temperature || 1);
      }
      const view = cache.view(pool, first, size);
      let step = bound.get(view);
      if (!step) {
        const rows: Record<string, HostTensor> = { tokens: ints(tokens, [size]), lengths: ints(lengths, [size]) };
        if (isLarge) rows.inverseTemperatures = floats(inverseTemperatures, [size]);
        bound.set(view, (step = bind(decode, rows, view, outputsFor(size, 1, true))));
      }
      const outputs = await step();
      return { scores: scoresIn(outputs), entries: entriesIn(outputs, 1) };
    },
  };

  function scoresIn(outputs: Record<string, HostTensor>): (row: number) => NextTokenScores {
    const rowOf = (name: string, row: number) => {
      const { data, shape } = outputs[name] as HostTensor;
      return (data as Float32Array).subarray(row * (shape[1] as number), (row + 1) * (shape[1] as number));
    };
    return (row) => {
      const logits = rowOf('logits', row);
      if (!isLarge) return { logits };
      const max = rowOf('max', row)[0] as number;
      return { logits, distribution: { mass: rowOf('mass', row), blocks: rowOf('blocks', row), max } };
    };
  }

  // With a single head, ONNX Runtime joins the chunk's rows into one product, whose kernel differs from a lone row's.
  if (config.numAttentionHeads > 1) {
    decoder.prefill = async (cache, row, tokens) => {
      const padded = Int32Array.from({ length: CHUNK_TOKENS }, (_, i) => tokens[i] ?? 0);
      const rows = { tokens: ints(padded, [CHUNK_TOKENS]), lengths: ints(Int32Array.of(row.owner.cached), [1]) };
      const chunk = bind(prefill, rows, cache.view(row.pool, row.index, 1), outputsFor(1, CHUNK_TOKENS, false));
      return entriesIn(await chunk(), CHUNK_TOKENS);
    };
  }
  return decoder;
}
