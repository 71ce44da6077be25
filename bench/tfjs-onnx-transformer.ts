/** A small Llama-style decoder and one training step of it, for the benchmarks: plain tfjs operations, or the fused ones. */
import * as tf from '@tensorflow/tfjs-core';
import type { HostTensor } from '@tapo/tfjs-onnx';

export interface Size {
  vocabulary: number;
  width: number;
  layers: number;
  heads: number;
  kvHeads: number;
  inner: number;
}

export const sizes: Record<string, Size> = {
  '0.1M': { vocabulary: 128, width: 64, layers: 2, heads: 4, kvHeads: 4, inner: 192 },
  '1M': { vocabulary: 128, width: 128, layers: 4, heads: 4, kvHeads: 4, inner: 384 },
  '10M': { vocabulary: 4096, width: 384, layers: 6, heads: 6, kvHeads: 2, inner: 1024 },
  '135M': { vocabulary: 49152, width: 576, layers: 30, heads: 9, kvHeads: 3, inner: 1536 },
};

type Named = Record<string, tf.Tensor>;

export function initialise({ vocabulary, width, layers, heads, kvHeads, inner }: Size): Record<string, HostTensor> {
  const weights: Record<string, HostTensor> = {};
  const add = (name: string, shape: number[], value?: number) => {
    const data = new Float32Array(shape.reduce((product, length) => product * length, 1));
    for (let i = 0; i < data.length; i++) data[i] = value ?? (Math.random() - 0.5) * 0.07;
    weights[name] = { data, shape, dtype: 'float32' };
  };
  const headSize = width / heads;
  add('embedding', [vocabulary, width]);
  for (let layer = 0; layer < layers; layer++) {
    add(`${layer}.q`, [width, width]);
    add(`${layer}.k`, [kvHeads * headSize, width]);
    add(`${layer}.v`, [kvHeads * headSize, width]);
    add(`${layer}.o`, [width, width]);
    add(`${layer}.gate`, [inner, width]);
    add(`${layer}.up`, [inner, width]);
    add(`${layer}.down`, [width, inner]);
    add(`${layer}.norm1`, [width], 1);
    add(`${layer}.norm2`, [width], 1);
  }
  add('norm', [width], 1);
  return weights;
}

/** The operations that have a fused form. */
export interface Blocks {
  /** table [V, D], ids int32 [N] → [N, D] */
  embed(table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor2D;
  rmsNorm(x: tf.Tensor, weight: tf.Tensor): tf.Tensor;
  /** x [B, T, heads, d], cos and sin [T, d / 2] */
  rope(x: tf.Tensor4D, cos: tf.Tensor2D, sin: tf.Tensor2D): tf.Tensor4D;
  /** [B, T, H, d] and twice [B, T, K, d] → [B, T, H, d] */
  attention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D;
  /** hidden [N, D], embedding [V, D], targets [N] → [N] */
  logprobs(hidden: tf.Tensor2D, embedding: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D;
}

export const plainBlocks: Blocks = {
  embed: (table, ids) => tf.gather(table, ids),
  rmsNorm(x, weight) {
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6));
    return tf.mul(tf.mul(x, inverse), weight);
  },
  rope(x, cos, sin) {
    const twice = (t: tf.Tensor2D) => tf.reshape(tf.concat([t, t], 1), [1, t.shape[0], 1, t.shape[1] * 2]);
    const [a, b] = tf.split(x, 2, 3) as [tf.Tensor4D, tf.Tensor4D];
    return tf.add(tf.mul(x, twice(cos)), tf.mul(tf.concat([tf.neg(b), a], 3), twice(sin)));
  },
  attention(q, k, v) {
    const [B, T, H, d] = q.shape;
    const K = k.shape[2];
    const split = (t: tf.Tensor4D) => tf.transpose(t, [0, 2, 1, 3]);
    const grouped = tf.reshape(tf.mul(split(q), 1 / Math.sqrt(d)), [B, K, (H / K) * T, d]);
    const mask = tf.tensor(causal(T), [1, 1, 1, T, T]);
    const scores = tf.add(tf.reshape(tf.matMul(grouped, split(k), false, true), [B, K, H / K, T, T]), mask);
    const out = tf.matMul(tf.reshape(tf.softmax(scores), [B, K, (H / K) * T, T]), split(v));
    return tf.transpose(tf.reshape(out, [B, H, T, d]), [0, 2, 1, 3]) as tf.Tensor4D;
  },
  logprobs(hidden, embedding, targets) {
    const all = tf.logSoftmax(tf.matMul(hidden, embedding, false, true));
    const selected = tf.oneHot(targets, embedding.shape[0], 1, 0, 'float32');
    return tf.sum(tf.mul(all, selected), -1);
  },
};

function causal(T: number): Float32Array {
  return Float32Array.from({ length: T * T }, (_, i) => (i % T <= Math.floor(i / T) ? 0 : -1e9));
}

/** Log-probabilities [B · T] of `targets` under the model, tokens and targets int32 [B, T]. */
export function forward(
  weights: Named,
  tokens: tf.Tensor,
  targets: tf.Tensor,
  size: Size,
  blocks: Blocks,
): tf.Tensor1D {
  const [B, T] = tokens.shape as [number, number];
  const { width, heads, kvHeads, layers } = size;
  const d = width / heads;
  const angles = Float32Array.from(
    { length: (T * d) / 2 },
    (_, i) => Math.floor(i / (d / 2)) / 10000 ** ((2 * (i % (d / 2))) / d),
  );
  const cos = tf.tensor2d(angles.map(Math.cos), [T, d / 2]);
  const sin = tf.tensor2d(angles.map(Math.sin), [T, d / 2]);
  const linear = (x: tf.Tensor, weight: tf.Tensor) => tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D, false, true);
  let x: tf.Tensor = blocks.embed(weights['embedding'] as tf.Tensor2D, tf.reshape(tokens, [-1]) as tf.Tensor1D);
  for (let layer = 0; layer < layers; layer++) {
    const names = ['q', 'k', 'v', 'o', 'gate', 'up', 'down', 'norm1', 'norm2'];
    const compute = (input: tf.Tensor, ...own: tf.Tensor[]): tf.Tensor => {
      const [q, k, v, o, gate, up, down, norm1, norm2] = own as [tf.Tensor, ...tf.Tensor[]] & tf.Tensor[];
      const normed = blocks.rmsNorm(input, norm1!);
      const split = (t: tf.Tensor, count: number) => tf.reshape(t, [B, T, count, d]) as tf.Tensor4D;
      const attended = blocks.attention(
        blocks.rope(split(linear(normed, q), heads), cos, sin),
        blocks.rope(split(linear(normed, k!), kvHeads), cos, sin),
        split(linear(normed, v!), kvHeads),
      );
      const middle = tf.add(input, linear(tf.reshape(attended, [B * T, width]), o!));
      const normed2 = blocks.rmsNorm(middle, norm2!);
      const gated = linear(normed2, gate!);
      return tf.add(middle, linear(tf.mul(tf.mul(gated, tf.sigmoid(gated)), linear(normed2, up!)), down!));
    };
    x = compute(x, ...names.map((name) => weights[`${layer}.${name}`]!));
  }
  const hidden = blocks.rmsNorm(x, weights['norm']!) as tf.Tensor2D;
  return blocks.logprobs(hidden, weights['embedding'] as tf.Tensor2D, tf.reshape(targets, [-1]) as tf.Tensor1D);
}

/** Forward, backward and accumulation: inputs are the weights, `gradient/…` accumulators, tokens and targets. */
export function trainStep(size: Size, blocks: Blocks, names: readonly string[]) {
  return (inputs: Named): Named => {
    const loss = (...values: tf.Tensor[]) => {
      const weights = Object.fromEntries(names.map((name, i) => [name, values[i]!]));
      return tf.neg(tf.mean(forward(weights, inputs['tokens']!, inputs['targets']!, size, blocks))) as tf.Scalar;
    };
    const { value, grads } = tf.valueAndGrads(loss)(names.map((name) => inputs[name]!));
    const outputs: Named = { loss: value };
    names.forEach((name, i) => (outputs[`gradient/${name}`] = tf.add(inputs[`gradient/${name}`]!, grads[i]!)));
    return outputs;
  };
}
