import * as tf from '@tensorflow/tfjs-core';

import type { HostTensor, RunOptions, Runner, RunnableFunction, TensorFunction } from './runner.js';

/**
 * Runs tensor functions eagerly on the tfjs backend that is set now. The way to use `tfjs-node`, `tfjs-node-gpu`, WASM
 * and the pure JavaScript backend; also the reference that compiled results are tested against.
 */
export function eagerRunner(backend: string, threads: number): Runner {
  return {
    backend,
    threads,
    prepare(f: TensorFunction): RunnableFunction {
      const run = (inputs: Record<string, HostTensor>, options?: RunOptions) => runEagerly(f, inputs, options);
      return {
        compiledCount: 0,
        dispose: () => Promise.resolve(),
        run,
        bind: (inputs, options) => () => run(inputs, options),
      };
    },
  };
}

async function runEagerly(
  f: TensorFunction,
  inputs: Record<string, HostTensor>,
  { outputs = {} }: RunOptions = {},
): Promise<Record<string, HostTensor>> {
  const tensors = tf.tidy(() => {
    const uploaded: Record<string, tf.Tensor> = {};
    for (const [name, tensor] of Object.entries(inputs)) {
      uploaded[name] = tf.tensor(tensor.data, tensor.shape, tensor.dtype);
    }
    return f(uploaded);
  });
  const results: Record<string, HostTensor> = {};
  // An eager call holds the thread from start to end: let messages in between two of them.
  await new Promise((resolve) => setImmediate(resolve));
  try {
    for (const [name, tensor] of Object.entries(tensors)) {
      const data = (await tensor.data()) as HostTensor['data'];
      const given = outputs[name];
      if (given) given.data.set(data);
      results[name] = given ?? { data, shape: tensor.shape, dtype: tensor.dtype as HostTensor['dtype'] };
    }
  } finally {
    tf.dispose(tensors);
  }
  return results;
}
