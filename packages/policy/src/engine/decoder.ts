import type * as tf from '@tensorflow/tfjs-core';

import type { ModelConfig } from '../config.js';
import { decodeStep } from '../model.js';
import type { CachePool, KvCacheMemory, NewEntries } from './kv-cache.js';
import { modelOf, type ParameterStore } from './parameter-store.js';
import { floats, ints, type HostTensor, type RunnableFunction, type Runner, type TensorFunction } from './runner.js';

/**
 * One decoding step over rows of a block: token and cached length of each → logits `[rows, V]` and the new cache entries,
 * both valid until the next step.
 */
export interface Decoder {
  /**
   * @param rows number of leading rows of the block to compute; padded up to a size that is compiled
   * @param input called for each row: the token to feed and how many positions are cached, or `undefined` for a row without work
   */
  step<Owner extends { cached: number }>(
    cache: KvCacheMemory<Owner>,
    pool: CachePool<Owner>,
    block: number,
    rows: number,
    input: (owner: Owner) => { token: number; cached: number } | undefined,
  ): Promise<{ logits: Float32Array; entries: NewEntries }>;
  readonly compiledCount: number;
  /** padded number of rows */
  paddedRows(rows: number): number;
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

export function createDecoder(
  store: ParameterStore,
  config: ModelConfig,
  runner: Runner,
  { maxRows, compiledShapes }: DecoderOptions,
): Decoder {
  const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) => layer);
  const f: TensorFunction = (inputs) => {
    const cache = { keys: layers.map((l) => inputs[`keys/${l}`]!), values: layers.map((l) => inputs[`values/${l}`]!) };
    const { parameters, options } = modelOf(store, (name) => inputs[name] as tf.Tensor);
    const fed = { tokens: inputs.tokens!, lengths: inputs.lengths!, cache };
    const { logits, entries } = decodeStep(parameters, fed, config, options);
    const outputs: Record<string, tf.Tensor> = { logits };
    for (const l of layers) {
      outputs[`newKeys/${l}`] = entries.keys[l] as tf.Tensor;
      outputs[`newValues/${l}`] = entries.values[l] as tf.Tensor;
    }
    return outputs;
  };
  let prepared: RunnableFunction | undefined;
  const paddedRows = (rows: number) => Math.min(maxRows, ROWS.find((size) => size >= rows) ?? maxRows);

  /** Results of a number of rows; each step overwrites those of the step before. */
  const outputsBySize = new Map<number, Record<string, HostTensor>>();
  function outputsFor(rows: number): Record<string, HostTensor> {
    const known = outputsBySize.get(rows);
    if (known) return known;
    const { vocabSize, numKeyValueHeads, headDim } = config;
    const zeros = (...shape: number[]) => floats(new Float32Array(shape.reduce((a, b) => a * b)), shape);
    const made: Record<string, HostTensor> = { logits: zeros(rows, vocabSize) };
    for (const l of layers) {
      made[`newKeys/${l}`] = zeros(rows, numKeyValueHeads, 1, headDim);
      made[`newValues/${l}`] = zeros(rows, numKeyValueHeads, 1, headDim);
    }
    outputsBySize.set(rows, made);
    return made;
  }

  return {
    paddedRows,
    get compiledCount() {
      return prepared?.compiledCount ?? 0;
    },
    async step(cache, pool, block, rows, input) {
      prepared ??= runner.prepare(f, { name: 'decode', cacheSize: compiledShapes });
      const size = paddedRows(rows);
      const tokens = new Int32Array(size);
      const lengths = new Int32Array(size);
      for (let i = 0; i < size; i++) {
        const owner = pool.rows[block * cache.rowsPerBlock + i]?.owner;
        const next = owner === undefined ? undefined : input(owner);
        tokens[i] = next?.token ?? 0;
        lengths[i] = next?.cached ?? 0;
      }
      const { keys, values, shape } = cache.view(pool, block, size);
      const inputs: Record<string, HostTensor> = {
        ...store.weights,
        tokens: ints(tokens, [size]),
        lengths: ints(lengths, [size]),
      };
      for (const l of layers) {
        inputs[`keys/${l}`] = floats(keys[l] as Float32Array, shape);
        inputs[`values/${l}`] = floats(values[l] as Float32Array, shape);
      }
      const results = await prepared.run(inputs, { outputs: outputsFor(size) });
      const data = (name: string) => results[name]!.data as Float32Array;
      return {
        logits: data('logits'),
        entries: { keys: layers.map((l) => data(`newKeys/${l}`)), values: layers.map((l) => data(`newValues/${l}`)) },
      };
    },
  };
}
