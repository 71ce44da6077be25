import * as tf from '@tensorflow/tfjs-core';

/** The same values, through which no gradient flows (tfjs has no such operation). The caller disposes the result. */
export function stopGradient(x: tf.Tensor): tf.Tensor {
  return tf.customGrad((value) => {
    const constant = tf.clone(value as tf.Tensor);
    return { value: constant, gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy) };
  })(x);
}
