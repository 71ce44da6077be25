import type * as tf from '@tensorflow/tfjs-core';
import { runFused } from './fused-kernel.js';

/**
 * `x`, but not before every tensor of `after` is computed. The compiler sees another value than `x`, so that what is
 * computed from it is neither merged with what was computed from `x` nor moved forward. On other backends it is `x`: they
 * compute in order.
 */
export function barrier<T extends tf.Tensor>(x: T, ...after: tf.Tensor[]): T {
  const awaited = Object.fromEntries(after.map((tensor, position) => [`after${position}`, tensor]));
  return runFused('Barrier', { x, ...awaited }, {}, (all) => [all.x])[0] as T;
}

/**
 * The gradient of `source`, but not before every tensor of `after` is computed. Where `source` is an input of the compiled
 * function nothing is computed from its gradient but an output, and nothing has to wait.
 */
export function barrierOfGradient(gradient: tf.Tensor, source: tf.Tensor, after: tf.Tensor[]): tf.Tensor {
  const awaited = Object.fromEntries(after.map((tensor, position) => [`after${position}`, tensor]));
  return runFused('GradientBarrier', { x: gradient, source, ...awaited }, {}, (all) => [all.x])[0]!;
}
