import type * as tf from '@tensorflow/tfjs-core';
import { runFused } from './fused-kernel.js';

/**
 * `x`, but not before `after` is computed. The compiler sees another value than `x`, so that what is computed from it is
 * neither merged with what was computed from `x` nor moved forward. On other backends it is `x`: they compute in order.
 */
export function barrier<T extends tf.Tensor>(x: T, after: tf.Tensor): T {
  return runFused('Barrier', { x, after }, {}, (all) => [all.x])[0] as T;
}
