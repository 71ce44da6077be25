import * as tf from '@tensorflow/tfjs-core';
import { runFused } from './fused-kernel.js';

export interface CachedAttentionInputs {
  /** [batch, steps, heads, headSize] */
  query: tf.Tensor4D;
  /** [batch, steps, kvHeads, headSize]; kvHeads divides heads, a group of consecutive query heads shares one. */
  key: tf.Tensor4D;
  /** [batch, steps, kvHeads, headSize] */
  value: tf.Tensor4D;
  /** [batch, kvHeads, capacity, headSize] */
  keyCache: tf.Tensor4D;
  /** [batch, kvHeads, capacity, headSize] */
  valueCache: tf.Tensor4D;
  /** int32 [batch]: how many positions of each row's cache are filled before this call. */
  lengths: tf.Tensor1D;
}

export interface CachedAttentionOptions {
  /** Factor on the scores. Default 1 / √headSize. */
  scale?: number;
}

export interface CachedAttentionResult {
  /** [batch, steps, heads, headSize] */
  output: tf.Tensor4D;
  keyCache: tf.Tensor4D;
  valueCache: tf.Tensor4D;
}

/**
 * Attention of `steps` new positions per row over everything cached for that row, the new positions included.
 *
 * Row b's new keys and values go to cache positions lengths[b] … lengths[b] + steps − 1, and its query t sees positions
 * 0 … lengths[b] + t. Rows of different lengths share a batch. lengths[b] + steps must not exceed the capacity.
 * A row with fewer new positions than `steps` is padded on the right: what the padding leaves in the cache lies beyond the
 * row's length and is overwritten by its next call. What a returned cache holds beyond a row's length is unspecified.
 *
 * Compiled, with the returned caches bound to the memory of the given ones, the caches are updated in place; with one
 * step, or one row, the work grows with the rows' lengths and not with the capacity. There is no gradient.
 */
export function cachedAttention(
  inputs: CachedAttentionInputs,
  { scale = 1 / Math.sqrt(inputs.query.shape[3]) }: CachedAttentionOptions = {},
): CachedAttentionResult {
  checkShapes(inputs);
  const [output, keyCache, valueCache] = runFused('CachedAttention', { ...inputs }, { scale }, (all) =>
    composed(all, scale),
  );
  return { output, keyCache, valueCache } as CachedAttentionResult;
}

function composed(inputs: CachedAttentionInputs & Record<string, tf.Tensor>, scale: number): tf.Tensor[] {
  const { query, key, value, lengths } = inputs;
  const [batch, steps, heads, headSize] = query.shape;
  const [, kvHeads, capacity] = inputs.keyCache.shape;
  // positions [batch, steps]: where each new key goes
  const positions = tf.add(tf.expandDims(lengths, 1), tf.range(0, steps, 1, 'int32'));
  const slots = tf.range(0, capacity, 1, 'int32');
  // target [batch, 1, capacity, steps]: 1 where step t goes to slot s
  const target = tf.cast(
    tf.equal(tf.reshape(slots, [1, 1, -1, 1]), tf.reshape(positions, [batch, 1, 1, steps])),
    'float32',
  );
  const kept = tf.sub(1, tf.max(target, 3, true));
  const append = (cache: tf.Tensor, added: tf.Tensor) =>
    tf.add(tf.mul(cache, kept), tf.matMul(tf.tile(target, [1, kvHeads, 1, 1]), tf.transpose(added, [0, 2, 1, 3])));
  const keyCache = append(inputs.keyCache, key);
  const valueCache = append(inputs.valueCache, value);
  // one row of scores per query head of a group and step: [batch, kvHeads, group * steps, capacity]
  const group = heads / kvHeads;
  const grouped = tf.reshape(tf.transpose(query, [0, 2, 1, 3]), [batch, kvHeads, group * steps, headSize]);
  const scores = tf.reshape(tf.mul(tf.matMul(grouped, keyCache, false, true), scale), [
    batch,
    kvHeads,
    group,
    steps,
    capacity,
  ]);
  const visible = tf.lessEqual(tf.reshape(slots, [1, 1, 1, 1, -1]), tf.reshape(positions, [batch, 1, 1, steps, 1]));
  const weights = tf.softmax(tf.where(visible, scores, -1e9));
  const flat = tf.matMul(tf.reshape(weights, [batch, kvHeads, group * steps, capacity]), valueCache);
  const output = tf.transpose(tf.reshape(flat, [batch, heads, steps, headSize]), [0, 2, 1, 3]);
  return [output, keyCache, valueCache];
}

function checkShapes({ query, key, value, keyCache, valueCache, lengths }: CachedAttentionInputs): void {
  const [batch, steps, heads, headSize] = query.shape;
  const [, kvHeads, capacity] = keyCache.shape;
  const wanted: [string, tf.Tensor, number[]][] = [
    ['key', key, [batch, steps, kvHeads, headSize]],
    ['value', value, [batch, steps, kvHeads, headSize]],
    ['keyCache', keyCache, [batch, kvHeads, capacity, headSize]],
    ['valueCache', valueCache, [batch, kvHeads, capacity, headSize]],
    ['lengths', lengths, [batch]],
  ];
  for (const [name, tensor, shape] of wanted)
    if (tensor.shape.join() !== shape.join())
      throw new Error(`cachedAttention: ${name} has shape [${tensor.shape.join(', ')}], wanted [${shape.join(', ')}].`);
  if (heads % kvHeads !== 0)
    throw new Error(`cachedAttention: ${heads} query heads are not a multiple of ${kvHeads} key heads.`);
  if (lengths.dtype !== 'int32') throw new Error(`cachedAttention: lengths is ${lengths.dtype}, wanted int32.`);
}
