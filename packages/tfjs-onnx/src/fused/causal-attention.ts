import * as tf from '@tensorflow/tfjs-core';

export interface CausalAttentionOptions {
  /** Factor on the scores. Default 1 / √headSize. */
  scale?: number;
  /** int32 [batch, steps]: a position sees only positions of its own segment (several sequences in one row). */
  segments?: tf.Tensor2D;
}

/**
 * Softmax attention of each position over itself and the positions before it, heads grouped as in GQA (Ainslie et al.
 * 2023, arXiv:2305.13245): keys and values are never repeated, the query heads of a group are rows of one matrix.
 *
 * With P the softmax, δ = rowsum(dO · O) as in FlashAttention-2 (Dao 2023, arXiv:2307.08691):
 *   dV = Pᵀ·dO    dS = P · (dO·Vᵀ − δ)    dQ = scale · dS·K    dK = scale · dSᵀ·Q
 * P is the one [batch, heads, steps, steps] tensor kept for the backward pass.
 * @param query [batch, steps, heads, headSize]
 * @param key [batch, steps, kvHeads, headSize]; kvHeads divides heads
 * @param value [batch, steps, kvHeads, headSize]
 * @returns [batch, steps, heads, headSize]
 */
export function causalAttention(
  query: tf.Tensor4D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  { scale = 1 / Math.sqrt(query.shape[3]), segments }: CausalAttentionOptions = {},
): tf.Tensor4D {
  const [batch, steps, heads, headSize] = query.shape;
  const kvHeads = key.shape[2];
  for (const [name, tensor] of Object.entries({ key, value }))
    if (tensor.shape.join() !== [batch, steps, kvHeads, headSize].join() || heads % kvHeads !== 0)
      throw new Error(
        `causalAttention: ${name} has shape [${tensor.shape.join(', ')}], the query [${query.shape.join(', ')}]; ` +
          'they must agree but for the heads, and the key heads must divide the query heads.',
      );
  const grouped = [batch, kvHeads, (heads / kvHeads) * steps, headSize];
  const mask = causalMask(steps, segments);

  /** [batch, steps, heads, headSize] → [batch, kvHeads, group · steps, headSize] */
  const group = (x: tf.Tensor) => tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, kvHeads, -1, headSize]);
  const ungroup = (x: tf.Tensor, count: number) =>
    tf.transpose(tf.reshape(x, [batch, count, steps, headSize]), [0, 2, 1, 3]);

  const op = tf.customGrad((...inputs) => {
    const [q, k, v, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const scaled = tf.mul(group(q), scale);
    const [keys, values] = [group(k), group(v)];
    const scores = tf.reshape(tf.matMul(scaled, keys, false, true), [batch, heads, steps, steps]);
    const weights = tf.reshape(tf.softmax(tf.add(scores, mask)), [...grouped.slice(0, 3), steps]);
    const output = tf.matMul(weights, values);
    save([scaled, keys, values, weights, output]);
    return { value: ungroup(output, heads), gradFunc };
  });

  function gradFunc(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
    const [scaled, keys, values, weights, output] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const dOutput = group(dy);
    const delta = tf.sum(tf.mul(dOutput, output), -1, true);
    const dScores = tf.mul(weights, tf.sub(tf.matMul(dOutput, values, false, true), delta));
    return [
      ungroup(tf.mul(tf.matMul(dScores, keys), scale), heads),
      ungroup(tf.matMul(dScores, scaled, true), kvHeads),
      ungroup(tf.matMul(weights, dOutput, true), kvHeads),
    ];
  }

  return op(query, key, value) as tf.Tensor4D;
}

/** Added to the scores: 0 where position t may see s ≤ t (of its segment), −1e9 elsewhere. [1 or batch, 1, steps, steps] */
function causalMask(steps: number, segments?: tf.Tensor2D): tf.Tensor {
  const data = Float32Array.from({ length: steps * steps }, (_, i) => (i % steps <= Math.floor(i / steps) ? 0 : -1e9));
  const causal = tf.tensor(data, [1, 1, steps, steps]);
  if (!segments) return causal;
  const [batch] = segments.shape;
  const own = tf.equal(tf.reshape(segments, [batch, 1, steps, 1]), tf.reshape(segments, [batch, 1, 1, steps]));
  return tf.where(own, causal, tf.scalar(-1e9));
}
