/** The two compiled functions of the sampler: one or several steps of many rows, and many tokens of one row. */
import * as tf from '@tensorflow/tfjs-core';

import type { ModelConfig } from '../config.js';
import { decodeStep, forwardCached, type KvCache } from '../model.js';
import { drawInGraph, LARGEST_UNIFORM } from './draw-in-graph.js';
import type { CachePool, CacheRow, CacheView, KvCacheMemory } from './kv-cache.js';
import { modelOf, type ParameterStore } from './parameter-store.js';
import { floats, ints, type HostTensor, type RunnableFunction, type Runner, type TensorFunction } from './runner.js';

/** What one row feeds. */
export interface Fed {
  /** the next tokens as far as they are known, at least one; after them each step feeds what the one before drew */
  tokens: readonly number[];
  /** positions it has cached; its capacity if it has nothing to feed */
  cached: number;
  temperature: number;
  /** in [0, 1), one for each step's draw */
  uniforms: readonly number[];
}

/** Results of a run, valid until the next. */
export interface Decoded {
  /** what each step of each row drew, `[rows, steps]` */
  tokens: Int32Array;
  /** natural logarithm, at the row's temperature; greedy rows: at 1 */
  logprobs: Float32Array;
  /** of a row, after the last step */
  logits(row: number): Float32Array;
}

export interface Decoder {
  /**
   * `steps` tokens of each of the rows of a pool from `first` on, within one block. Keys and values are written to the cache; what a row
   * computes beyond its capacity means nothing.
   */
  run<Owner extends { cached: number }>(
    cache: KvCacheMemory<Owner>,
    pool: CachePool<Owner>,
    first: number,
    fed: readonly Fed[],
    steps: number,
  ): Promise<Decoded>;
  /** Up to `chunkTokens` tokens of one row into the cache, bit for bit as that many steps would. Absent where that does not hold. */
  prefill?<Owner extends { cached: number }>(
    cache: KvCacheMemory<Owner>,
    row: CacheRow<Owner>,
    tokens: readonly number[],
  ): Promise<void>;
  /** most steps of a run (`stepsPerRun`) */
  readonly mostSteps: number;
  readonly chunkTokens: number;
  readonly compiledCount: number;
  /** padded number of rows of a run */
  paddedRows(rows: number): number;
}

export interface DecoderOptions {
  /** largest number of rows of a step */
  maxRows: number;
  mostSteps: number;
  compiledShapes: number;
}

/**
 * Numbers of rows a step is compiled for. Not one: ONNX Runtime's matrix kernels give a row the same bits among any number
 * of rows above one, and other bits when it is alone.
 */
const ROWS = [4, 8, 16, 32, 64, 128, 256];

/** Tokens of one prefill. */
const CHUNK_TOKENS = 32;

/** Stands for a token that is not known before the run. */
const DRAWN = -1;

/** What a run feeds, and what comes out; always the same memory for a number of rows and steps. */
interface RunMemory {
  inputs: Record<'tokens' | 'lengths' | 'greedy', HostTensor & { data: Int32Array }> &
    Record<'inverseTemperatures' | 'uniforms', HostTensor & { data: Float32Array }>;
  outputs: { drawn: HostTensor; logprobs: HostTensor; logits: HostTensor };
}

export function createDecoder(
  store: ParameterStore,
  config: ModelConfig,
  runner: Runner,
  { maxRows, mostSteps, compiledShapes }: DecoderOptions,
): Decoder {
  const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) => layer);
  const cacheOf = (inputs: Record<string, tf.Tensor>): KvCache => ({
    keys: layers.map((l) => inputs[`keys/${l}`]!),
    values: layers.map((l) => inputs[`values/${l}`]!),
  });
  /** The cache after each step is an output over the memory of the cache before: written in place, never copied. */
  const named = ({ keys, values }: KvCache, step: number): Record<string, tf.Tensor> =>
    Object.fromEntries(layers.flatMap((l) => [[`keys/${l}/${step}`, keys[l]!], [`values/${l}/${step}`, values[l]!]])); // prettier-ignore

  const decode: TensorFunction = (inputs) => {
    const { parameters, options } = modelOf(store, (name) => inputs[name] as tf.Tensor);
    const steps = inputs.tokens!.shape[1] as number;
    const columns = (name: string) => (steps === 1 ? [inputs[name]!] : tf.split(inputs[name]!, steps, 1));
    const [known, uniforms] = [columns('tokens'), columns('uniforms')];
    const { inverseTemperatures, greedy, lengths } = inputs as Record<string, tf.Tensor>;
    const caches: Record<string, tf.Tensor> = {};
    const drawn: tf.Tensor[] = [];
    const logprobs: tf.Tensor[] = [];
    let cache = cacheOf(inputs);
    let logits: tf.Tensor2D | undefined;
    for (let step = 0; step < steps; step++) {
      const given = known[step] as tf.Tensor;
      const fed = step === 0 ? given : tf.where(tf.greaterEqual(given, 0), given, drawn[step - 1] as tf.Tensor);
      const tokens = tf.reshape(fed, [-1]);
      const positions = step === 0 ? lengths! : tf.add(lengths!, tf.scalar(step, 'int32'));
      ({ logits, cache } = decodeStep(parameters, { tokens, lengths: positions, cache }, config, options));
      Object.assign(caches, named(cache, step));
      const draw = {
        uniforms: uniforms[step] as tf.Tensor,
        inverseTemperatures: inverseTemperatures!,
        greedy: greedy!,
      };
      const next = drawInGraph(logits, draw);
      drawn.push(next.tokens);
      logprobs.push(next.logprobs);
    }
    const joined = (all: tf.Tensor[]) => (steps === 1 ? all[0]! : tf.concat(all, 1));
    return { drawn: joined(drawn), logprobs: joined(logprobs), logits: logits!, ...caches };
  };
  const prefill: TensorFunction = (inputs) => {
    const { parameters, options } = modelOf(store, (name) => inputs[name] as tf.Tensor);
    const fed = { tokens: inputs.tokens!, lengths: inputs.lengths!, cache: cacheOf(inputs) };
    return named(forwardCached(parameters, fed, config, options).cache, 0);
  };
  const prepared = new Map<TensorFunction, RunnableFunction>();
  const bound = new WeakMap<CacheView, Map<number, () => Promise<unknown>>>();
  const memories = new Map<string, RunMemory>();

  function memoryFor(rows: number, steps: number): RunMemory {
    const key = `${rows}x${steps}`;
    const known = memories.get(key);
    if (known) return known;
    const ofInts = (...shape: number[]) =>
      ints(new Int32Array(product(shape)), shape) as HostTensor & { data: Int32Array };
    const ofFloats = (...shape: number[]) =>
      floats(new Float32Array(product(shape)), shape) as HostTensor & { data: Float32Array };
    const made: RunMemory = {
      inputs: {
        tokens: ofInts(rows, steps),
        lengths: ofInts(rows),
        greedy: ofInts(rows, 1),
        inverseTemperatures: ofFloats(rows, 1),
        uniforms: ofFloats(rows, steps),
      },
      outputs: {
        drawn: ofInts(rows, steps),
        logprobs: ofFloats(rows, steps),
        logits: ofFloats(rows, config.vocabSize),
      },
    };
    memories.set(key, made);
    return made;
  }

  /** A run over a part of the cache, which the cache of every step shares. */
  function bind(
    f: TensorFunction,
    rows: Record<string, HostTensor>,
    { keys, values, shape }: CacheView,
    steps: number,
    results: Record<string, HostTensor>,
  ): () => Promise<unknown> {
    let runnable = prepared.get(f);
    if (!runnable) {
      runnable = runner.prepare(f, { name: f === decode ? 'decode' : 'prefill', cacheSize: compiledShapes });
      prepared.set(f, runnable);
    }
    const inputs: Record<string, HostTensor> = { ...store.weights, ...rows };
    const outputs = { ...results };
    for (const l of layers) {
      const [keysOf, valuesOf] = [floats(keys[l] as Float32Array, shape), floats(values[l] as Float32Array, shape)];
      inputs[`keys/${l}`] = keysOf;
      inputs[`values/${l}`] = valuesOf;
      for (let step = 0; step < steps; step++) {
        outputs[`keys/${l}/${step}`] = keysOf;
        outputs[`values/${l}/${step}`] = valuesOf;
      }
    }
    return runnable.bind(inputs, { outputs });
  }

  /** Rows beyond those of `fed` write where the row of no sequence does. */
  function fill({ inputs }: RunMemory, fed: readonly Fed[], steps: number, capacity: number): void {
    const { tokens, lengths, greedy, inverseTemperatures, uniforms } = inputs;
    for (let row = 0; row < lengths.data.length; row++) {
      const own = fed[row];
      lengths.data[row] = own?.cached ?? capacity;
      greedy.data[row] = own?.temperature === 0 ? 1 : 0;
      inverseTemperatures.data[row] = 1 / (own?.temperature || 1);
      for (let step = 0; step < steps; step++) {
        const token = own?.tokens[step] ?? (step === 0 ? 0 : DRAWN);
        tokens.data[row * steps + step] = token;
        uniforms.data[row * steps + step] = Math.min(own?.uniforms[step] ?? 0, LARGEST_UNIFORM);
      }
    }
  }

  const paddedRows = (rows: number) => Math.min(maxRows, ROWS.find((size) => size >= rows) ?? maxRows);
  const decoder: Decoder = {
    mostSteps,
    chunkTokens: CHUNK_TOKENS,
    paddedRows,
    get compiledCount() {
      return [...prepared.values()].reduce((total, { compiledCount }) => total + compiledCount, 0);
    },
    async run(cache, pool, first, fed, steps) {
      const size = paddedRows(fed.length);
      const memory = memoryFor(size, steps);
      fill(memory, fed, steps, pool.capacity);
      const view = cache.view(pool, first, size);
      const runs = bound.get(view) ?? new Map<number, () => Promise<unknown>>();
      bound.set(view, runs);
      const run = runs.get(steps) ?? bind(decode, memory.inputs, view, steps, memory.outputs);
      runs.set(steps, run);
      await run();
      const { drawn, logprobs, logits } = memory.outputs;
      const row = (index: number) => logits.data.subarray(index * config.vocabSize, (index + 1) * config.vocabSize);
      return {
        tokens: drawn.data as Int32Array,
        logprobs: logprobs.data as Float32Array,
        logits: (index) => row(index) as Float32Array,
      };
    },
  };

  // With a single head, ONNX Runtime joins the chunk's rows into one product, whose kernel differs from a lone row's.
  if (config.numAttentionHeads > 1) {
    decoder.prefill = async (cache, row, tokens) => {
      const padded = Int32Array.from({ length: CHUNK_TOKENS }, (_, i) => tokens[i] ?? 0);
      const rows = { tokens: ints(padded, [CHUNK_TOKENS]), lengths: ints(Int32Array.of(row.owner.cached), [1]) };
      await bind(prefill, rows, cache.view(row.pool, row.index, 1), 1, {})();
    };
  }
  return decoder;
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b);
