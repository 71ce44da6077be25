import * as tf from '@tensorflow/tfjs-core';
import { runFused } from './fused-kernel.js';

/**
 * Rotary position embedding (Su et al. 2021, arXiv:2104.09864) in the "rotate half" layout of Hugging Face: the halves
 * (a, b) of each head become (a·cos − b·sin, b·cos + a·sin). Its gradient is the rotation back.
 * @param x [batch, steps, heads, headSize]
 * @param cos [steps, headSize / 2], or [batch, steps, headSize / 2] where rows have positions of their own
 * @param sin like `cos`
 */
export function rope(x: tf.Tensor4D, cos: tf.Tensor, sin: tf.Tensor): tf.Tensor4D {
  const [batch, steps, , headSize] = x.shape;
  const wanted = cos.rank === 3 ? [batch, steps, headSize / 2] : [steps, headSize / 2];
  for (const [name, angles] of Object.entries({ cos, sin }))
    if (angles.shape.join() !== wanted.join())
      throw new Error(`rope: ${name} has shape [${angles.shape.join(', ')}], wanted [${wanted.join(', ')}].`);
  const op = tf.customGrad((...args) => {
    const [input, save] = args as unknown as [tf.Tensor4D, tf.GradSaveFunc];
    save([cos, sin]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => rotate(dy as tf.Tensor4D, saved[0]!, tf.neg(saved[1]!));
    return { value: rotate(input, cos, sin), gradFunc };
  });
  return op(x) as tf.Tensor4D;
}

function rotate(x: tf.Tensor4D, cos: tf.Tensor, sin: tf.Tensor): tf.Tensor4D {
  return runFused('Rope', { x, cos, sin }, {}, (all) => [composed(all.x, all.cos, all.sin)])[0] as tf.Tensor4D;
}

function composed(x: tf.Tensor4D, cos: tf.Tensor, sin: tf.Tensor): tf.Tensor {
  const spread = (angles: tf.Tensor) => tf.reshape(angles, [angles.rank === 3 ? x.shape[0] : 1, x.shape[1], 1, -1]);
  const [a, b] = tf.split(x, 2, 3) as [tf.Tensor, tf.Tensor];
  const [c, s] = [spread(cos), spread(sin)];
  return tf.concat([tf.sub(tf.mul(a, c), tf.mul(b, s)), tf.add(tf.mul(b, c), tf.mul(a, s))], 3);
}
