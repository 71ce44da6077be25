import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { compile } from '@tapo/tfjs-onnx';
import type { HostTensor } from '@tapo/tfjs-onnx';
import { expect } from 'vitest';

export type Operation = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

export interface CompareOptions {
  /** |compiled − cpu| ≤ tolerance · (1 + |cpu|), element by element. */
  tolerance?: number;
  /** Compare the gradients with respect to all float32 inputs too. */
  gradient?: boolean;
}

/** Compiles `operation`, runs it on tfjs's CPU backend too, and expects the same shapes, dtypes, values and gradients. */
export async function expectSameAsCpu(
  operation: Operation,
  inputs: readonly HostTensor[],
  { tolerance = 1e-6, gradient = false }: CompareOptions = {},
): Promise<void> {
  const named = Object.fromEntries(inputs.map((input, position) => [`input${position}`, input]));
  const f = (tensors: Record<string, tf.Tensor>) => {
    const ordered = inputs.map((_, position) => tensors[`input${position}`]!);
    return { ...values(operation, ordered), ...(gradient ? gradients(operation, ordered) : {}) };
  };
  await tf.setBackend('cpu');
  const before = tf.memory().numTensors;
  const wanted = tf.tidy(() => {
    // A copy: tfjs's CPU kernel of tensorScatterUpdate writes into its input.
    const tensors = Object.entries(named).map(
      ([name, { data, shape, dtype }]) => [name, tf.tensor(data.slice(), shape, dtype)] as const,
    );
    return Object.entries(f(Object.fromEntries(tensors))).map(([name, { shape, dtype, dataId }]) => {
      return { name, shape, dtype, data: tf.engine().readSync(dataId) as Float32Array };
    });
  });
  const compiled = compile(f);
  try {
    const got = await compiled.run(named);
    for (const { name, shape, dtype, data } of wanted) {
      const result = got[name]!;
      expect({ name, dtype: result.dtype, shape: result.shape }).toEqual({ name, dtype, shape });
      for (let i = 0; i < data.length; i++)
        if (!isClose(result.data[i]!, data[i]!, tolerance))
          expect.fail(`${name}[${i}] is ${result.data[i]}, on the CPU ${data[i]}; ${describeInputs(inputs)}`);
    }
  } finally {
    await compiled.dispose();
  }
  expect(tf.getBackend()).toBe('cpu');
  expect(tf.memory().numTensors).toBe(before);
}

function values(operation: Operation, inputs: tf.Tensor[]): Record<string, tf.Tensor> {
  return Object.fromEntries([operation(...inputs)].flat().map((output, position) => [`output${position}`, output]));
}

/** d Σ w·outputs / d input with fixed uneven weights w, so that errors do not cancel. */
function gradients(operation: Operation, inputs: tf.Tensor[]): Record<string, tf.Tensor> {
  const floats = inputs.filter((input) => input.dtype === 'float32');
  const loss = (...replaced: tf.Tensor[]) => {
    const all = inputs.map((input) => (input.dtype === 'float32' ? replaced[floats.indexOf(input)]! : input));
    const terms = [operation(...all)].flat().map((output) => {
      const weights = Float32Array.from({ length: output.size }, (_, i) => 1 + (i % 5) / 4);
      return tf.sum(tf.mul(output, tf.tensor(weights, output.shape)));
    });
    return tf.addN(terms) as tf.Scalar;
  };
  const { grads } = tf.valueAndGrads(loss)(floats);
  return Object.fromEntries(grads.map((gradient, position) => [`gradient${position}`, gradient]));
}

function isClose(got: number, wanted: number, tolerance: number): boolean {
  if (Object.is(got, wanted) || got === wanted) return true;
  return Math.abs(got - wanted) <= tolerance * (1 + Math.abs(wanted));
}

function describeInputs(inputs: readonly HostTensor[]): string {
  return inputs
    .map(({ data, shape, dtype }) => `${dtype}[${shape.join()}] ${Array.from(data).slice(0, 24).join(' ')}`)
    .join('; ');
}
