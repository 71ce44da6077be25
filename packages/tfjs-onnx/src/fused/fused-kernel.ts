import * as tf from '@tensorflow/tfjs-core';

/**
 * Runs a kernel that tfjs-core does not know, where the active backend has it; otherwise `composed` computes the same
 * from tfjs's own operations. That keeps the fused functions usable, and testable, on every backend.
 */
export function runFused<Inputs extends Record<string, tf.Tensor>>(
  kernelName: string,
  inputs: Inputs,
  attributes: tf.NamedAttrMap,
  composed: (inputs: Inputs) => tf.Tensor[],
): tf.Tensor[] {
  const backend = tf.getBackend();
  if (!backend || !tf.getKernel(kernelName, backend)) return tf.tidy(() => composed(inputs));
  return [tf.engine().runKernel<tf.Tensor | tf.Tensor[]>(kernelName, inputs, attributes)].flat();
}
