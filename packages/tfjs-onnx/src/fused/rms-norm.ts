import * as tf from '@tensorflow/tfjs-core';
import { runFused } from './fused-kernel.js';

export interface RmsNormOptions {
  /** Added to the mean square. Default 1e-6. */
  epsilon?: number;
}

/**
 * RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467): y = x / √(mean(x²) + ε) · weight over the last axis.
 *
 * One pass over `x` where the backend has the operator. With r = 1 / √(mean(x²) + ε) and n the length of the last axis,
 *   dweight = Σ_rows r · dy · x
 *   dx = r · weight · dy − x · r³/n · Σ(dy · x · weight)
 * The two sums are matrix products, so that nothing of the size of `x` is made for them but dy · x.
 * @param x [..., n]
 * @param weight [n]
 */
export function rmsNorm<T extends tf.Tensor>(x: T, weight: tf.Tensor, { epsilon = 1e-6 }: RmsNormOptions = {}): T {
  const size = x.shape.at(-1)!;
  if (weight.shape.join() !== `${size}`)
    throw new Error(`rmsNorm: weight has shape [${weight.shape.join(', ')}], wanted [${size}].`);
  const op = tf.customGrad((rows, scale, save) => {
    const inputs = { x: rows as tf.Tensor2D, weight: scale as tf.Tensor1D };
    const [value, inverse] = runFused('RmsNorm', inputs, { epsilon }, (all) => composed(all, epsilon)) as [
      tf.Tensor2D,
      tf.Tensor2D,
    ];
    (save as tf.GradSaveFunc)([inputs.x, inputs.weight, inverse]);
    return { value, gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => gradients(dy, saved) };
  });
  return tf.reshape(op(tf.reshape(x, [-1, size]), weight), x.shape) as T;
}

function composed({ x, weight }: { x: tf.Tensor; weight: tf.Tensor }, epsilon: number): tf.Tensor[] {
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon)); // [rows, 1]
  return [tf.mul(tf.mul(x, inverse), weight), inverse];
}

function gradients(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [x, weight, inverse] = saved as [tf.Tensor2D, tf.Tensor1D, tf.Tensor2D];
  const size = x.shape[1];
  const product = tf.mul(dy, x) as tf.Tensor2D;
  const dWeight = tf.reshape(tf.matMul(inverse, product, true), [size]);
  const projected = tf.matMul(product, tf.reshape(weight, [size, 1]) as tf.Tensor2D); // [rows, 1]
  const shrink = tf.mul(projected, tf.mul(tf.mul(inverse, tf.square(inverse)), 1 / size));
  const dx = tf.sub(tf.mul(tf.mul(dy, weight), inverse), tf.mul(x, shrink));
  return [dx, dWeight];
}
