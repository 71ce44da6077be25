/** Teacher-forced passes, gradient accumulation and the optimizer step, on the engine's side of the worker. */
import type { Batch, LossSpec } from '@tapo/core';
import { crossEntropyLoss, dapoLoss, stopGradient } from '@tapo/core';
import * as tf from '@tensorflow/tfjs-core';

import type { ModelConfig } from '../config.js';
import { tokenLogprobs } from '../model.js';
import type { HostParameters } from '../parameters.js';
import { adamWStep, type AdamWOptions } from './adamw.js';
import { planMicroBatches, type MicroBatch } from './micro-batches.js';
import { modelOf, type ParameterStore } from './parameter-store.js';
import { floats, ints, type HostTensor, type RunnableFunction, type Runner, type TensorFunction } from './runner.js';
import { loadGradients } from './tfjs-backend.js';

export interface LearnerOptions {
  /** padded positions computed at once: bounds the memory of a step */
  microBatchTokens: number;
  /** keep each layer's input only, and compute the rest again in the backward pass */
  gradientCheckpointing: boolean;
  /** compiled shapes kept per function */
  compiledShapes: number;
  /** keep the trained parameters as they are now, for `referenceLogprobs` */
  keepReference?: boolean;
}

export interface TokenOutputs {
  /** `[rows, length]` row major; 0 at padding */
  logprobs: Float32Array;
  entropies: Float32Array;
}

export interface LocalLearner {
  logprobs(batch: Batch): Promise<TokenOutputs>;
  /** the same with the parameters as they were at first */
  referenceLogprobs(batch: Batch): Promise<TokenOutputs>;
  forwardBackward(batch: Batch, loss: LossSpec): Promise<TokenOutputs & { loss: number }>;
  optimizerStep(options: AdamWOptions): { gradientNorm: number };
  /** input shapes compiled so far */
  readonly compiledCount: number;
}

/** Optional columns of a batch that a loss reads. */
const lossColumns = ['advantages', 'oldLogprobs', 'rolloutLogprobs', 'referenceLogprobs'] as const;

/**
 * Input of one number: 1 where the batch has no `oldLogprobs`, that is, where they are those of the pass itself. A value, so that
 * a step's first mini-batch and its others share their compiled shapes.
 */
const OLD_IS_CURRENT = 'oldIsCurrent';

type TokenLogprobsOptions = NonNullable<Parameters<typeof tokenLogprobs>[4]>;

/** Prefixes keep a parameter apart from its accumulator and from the batch. */
const WEIGHT = 'weight/';
const GRADIENT = 'gradient/';

export function createLocalLearner(
  store: ParameterStore,
  config: ModelConfig,
  runner: Runner,
  { microBatchTokens, gradientCheckpointing, compiledShapes, keepReference = false }: LearnerOptions,
): LocalLearner {
  const prefixed = (prefix: string, tensors: Record<string, HostTensor>) =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [prefix + name, tensor]));
  const weights = prefixed(WEIGHT, store.weights);
  const gradients = prefixed(GRADIENT, store.gradients);
  // Other memory for the same inputs: no further session.
  const reference = keepReference && prefixed(WEIGHT, { ...store.weights, ...copyOf(store.trained) });
  const functions = new Map<string, RunnableFunction>();
  const prepare = (name: string, make: () => TensorFunction): RunnableFunction => {
    const known = functions.get(name);
    if (known) return known;
    const prepared = runner.prepare(make(), { name: name.replaceAll(/[^a-z-]+/g, '-'), cacheSize: compiledShapes });
    functions.set(name, prepared);
    return prepared;
  };

  const trained = Object.keys(store.trained);

  const forward = (
    inputs: Record<string, tf.Tensor>,
    changed: Record<string, tf.Tensor>,
    options: TokenLogprobsOptions,
  ) => {
    const model = modelOf(store, (name) => changed[name] ?? (inputs[WEIGHT + name] as tf.Tensor));
    const sequence = { tokens: inputs.inputs! };
    return tokenLogprobs(model.parameters, sequence, inputs.targets!, config, { ...model.options, ...options });
  };

  const withGradient =
    (spec: LossSpec): TensorFunction =>
    (inputs) => {
      let outputs: { logprobs: tf.Tensor; entropies: tf.Tensor } | undefined;
      const entropyGradient = spec.name === 'dapo' && (spec.entropyCoefficient ?? 0) !== 0;
      const loss = (...values: tf.Tensor[]): tf.Scalar => {
        const changed = Object.fromEntries(trained.map((name, i) => [name, values[i] as tf.Tensor]));
        outputs = forward(inputs, changed, { entropyGradient, checkpoint: gradientCheckpointing });
        tf.keep(outputs.logprobs);
        tf.keep(outputs.entropies);
        return lossOf(spec, { ...inputs, ...outputs } as Record<string, tf.Tensor>);
      };
      const { value, grads } = tf.valueAndGrads(loss)(trained.map((name) => inputs[WEIGHT + name] as tf.Tensor));
      const results: Record<string, tf.Tensor> = { loss: value, ...outputs };
      trained.forEach((name, i) => {
        results[GRADIENT + name] = tf.add(inputs[GRADIENT + name] as tf.Tensor, grads[i] as tf.Tensor);
      });
      return results;
    };

  /** Runs every micro-batch and puts the per-token outputs back into the batch's layout. */
  async function overMicroBatches(
    batch: Batch,
    columns: readonly (keyof Batch)[],
    run: (inputs: Record<string, HostTensor>) => Promise<Record<string, HostTensor>>,
  ): Promise<TokenOutputs & { loss: number }> {
    checkBatch(batch, config.vocabSize);
    const outputs = {
      loss: 0,
      logprobs: new Float32Array(batch.rows * batch.length),
      entropies: new Float32Array(batch.rows * batch.length),
    };
    for (const micro of planMicroBatches(batch.lengths, { microBatchTokens })) {
      const results = await run(microBatchInputs(batch, micro, columns));
      scatterRows(batch, micro, results.logprobs!.data as Float32Array, outputs.logprobs);
      scatterRows(batch, micro, results.entropies!.data as Float32Array, outputs.entropies);
      outputs.loss += results.loss ? (results.loss.data[0] as number) : 0;
    }
    return outputs;
  }

  async function forwardOnly(batch: Batch, parameters: Record<string, HostTensor>): Promise<TokenOutputs> {
    const f = prepare('logprobs', () => (inputs) => forward(inputs, {}, {}));
    const run = (inputs: Record<string, HostTensor>) => f.run({ ...parameters, ...inputs });
    const { logprobs, entropies } = await overMicroBatches(batch, [], run);
    return { logprobs, entropies };
  }

  return {
    get compiledCount() {
      return [...functions.values()].reduce((total, { compiledCount }) => total + compiledCount, 0);
    },
    logprobs: (batch) => forwardOnly(batch, weights),
    async referenceLogprobs(batch) {
      if (!reference) throw new Error('this engine keeps no reference: make it with keepReference');
      return forwardOnly(batch, reference);
    },
    async forwardBackward(batch, spec) {
      await loadGradients();
      const present =
        spec.name === 'dapo' ? lossColumns.filter((column) => column === 'oldLogprobs' || batch[column]) : [];
      const oldIsCurrent = { [OLD_IS_CURRENT]: floats(Float32Array.of(batch.oldLogprobs ? 0 : 1), [1]) };
      const f = prepare(`forward-backward ${JSON.stringify(spec)} ${present.join()}`, () => withGradient(spec));
      const columns = ['lossMask', 'weights', ...present] as const;
      return overMicroBatches(batch, columns, (inputs) =>
        f.run(
          { ...weights, ...gradients, ...inputs, ...(spec.name === 'dapo' && oldIsCurrent) },
          { outputs: gradients },
        ),
      );
    },
    optimizerStep(options) {
      const gradientNorm = adamWStep(Object.values(store.entries), store.step + 1, options);
      store.step++;
      return { gradientNorm };
    },
  };
}

function copyOf(parameters: HostParameters): HostParameters {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, { data, ...rest }]) => [name, { data: data.slice(), ...rest }]),
  );
}

/** The scalar loss of one micro-batch; masks, weights and denominators are already in the batch. */
function lossOf(spec: LossSpec, tensors: Record<string, tf.Tensor>): tf.Scalar {
  const { logprobs, entropies, lossMask, weights, advantages, oldLogprobs } = tensors as Record<string, tf.Tensor>;
  if (spec.name === 'cross-entropy') {
    return crossEntropyLoss({ logprobs: logprobs!, lossMask: lossMask!, weights: weights! });
  }
  if (!advantages)
    throw new Error('the dapo loss needs advantages in the batch: collate the rows with an advantage each');
  const { name: _, ...options } = spec;
  const optional = {
    ...(tensors.rolloutLogprobs ? { rolloutLogprobs: tensors.rolloutLogprobs } : {}),
    ...(tensors.referenceLogprobs ? { referenceLogprobs: tensors.referenceLogprobs } : {}),
  };
  return dapoLoss(
    {
      logprobs: logprobs!,
      entropies: entropies!,
      lossMask: lossMask!,
      weights: weights!,
      advantages,
      oldLogprobs: tf.where(tf.greater(tensors[OLD_IS_CURRENT]!, 0), stopGradient(logprobs!), oldLogprobs!),
      ...optional,
    },
    options,
  );
}

/** Rows of the batch at the micro-batch's shape. Padding is token 0 under a zero mask and a zero weight. */
function microBatchInputs(
  batch: Batch,
  { rows, size, length }: MicroBatch,
  columns: readonly (keyof Batch)[],
): Record<string, HostTensor> {
  const shape = [size, length];
  const gather = <A extends Float32Array | Int32Array>(source: A, target: A): A => {
    rows.forEach((row, i) => {
      const start = row * batch.length;
      target.set(source.subarray(start, start + (batch.lengths[row] as number)), i * length);
    });
    return target;
  };
  const inputs: Record<string, HostTensor> = {
    inputs: ints(gather(batch.inputs, new Int32Array(size * length)), shape),
    targets: ints(gather(batch.targets, new Int32Array(size * length)), shape),
  };
  for (const column of columns) {
    const values = new Float32Array(size * length);
    const source = batch[column] as Float32Array | undefined;
    inputs[column] = floats(source ? gather(source, values) : values, shape);
  }
  return inputs;
}

function scatterRows(batch: Batch, { rows, length }: MicroBatch, source: Float32Array, target: Float32Array): void {
  rows.forEach((row, i) => {
    target.set(source.subarray(i * length, i * length + (batch.lengths[row] as number)), row * batch.length);
  });
}

function checkBatch(batch: Batch, vocabSize: number): void {
  const size = batch.rows * batch.length;
  for (const name of ['inputs', 'targets', 'lossMask', 'weights', ...lossColumns] as const) {
    const column = batch[name];
    if (column && column.length !== size) {
      throw new Error(`batch.${name} has ${column.length} numbers, ${batch.rows} rows of ${batch.length} want ${size}`);
    }
  }
  for (const name of ['inputs', 'targets'] as const) {
    const wrong = batch[name].findIndex((id) => id < 0 || id >= vocabSize);
    if (wrong >= 0) {
      throw new Error(
        `batch.${name}[${wrong}] is ${batch[name][wrong]}, the model's vocabulary has ${vocabSize} tokens`,
      );
    }
  }
}
