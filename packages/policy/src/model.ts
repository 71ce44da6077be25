/**
 * The whole model: a decoder-only transformer as Qwen2, Qwen3 and Llama have it, in tfjs operations alone.
 *
 * Parameters are a plain record under Hugging Face's weight names, in Hugging Face's layouts (linear weights are
 * `[out, in]`). All functions are pure, can be compiled or differentiated, and dispose nothing: wrap calls in `tf.tidy`.
 *
 * Letters in shapes: B rows, T positions of a row, S positions attended to, V vocabulary, D hidden size, H query heads,
 * K key/value heads, G = H / K, d head dimension, F MLP width.
 */
import { causalAttention, linearTokenLogprobs, rmsNorm, rope, type TokenLogprobsOptions } from '@tapo/tfjs-onnx';
import * as tf from '@tensorflow/tfjs-core';

import type { ModelConfig } from './config.js';
import { loraDelta, type Lora } from './lora.js';
import { recomputed } from './recompute.js';
import { inverseFrequencies } from './rope.js';

/** Parameters by Hugging Face weight name, for example `model.layers.0.self_attn.q_proj.weight`. */
export type ModelParameters = Record<string, tf.Tensor>;

export interface ModelInputs {
  /** int32 `[B, T]`; padding goes to the right, where causal attention keeps it from influencing anything before it */
  tokens: tf.Tensor;
  /** int32 `[B, T]`, default 0..T−1 in each row; needed when several sequences are packed into a row */
  positions?: tf.Tensor;
  /** int32 `[B, T]`: a position attends only to positions of its own segment (packing) */
  segments?: tf.Tensor;
}

export interface ForwardOptions {
  /** low-rank adapters added to linear layers; the base weights stay as they are */
  lora?: Lora;
  /** gradient checkpointing: only each layer's input is kept for the backward pass; with `lora`, layers' base weights get no gradient */
  checkpoint?: boolean;
}

/** Keys and values of earlier positions, one entry per layer, each `[B, K, S, d]`. Keys are stored after RoPE. */
export interface KvCache {
  keys: tf.Tensor[];
  values: tf.Tensor[];
}

export interface CachedInputs {
  /** int32 `[B, T]`: the next T tokens of each row (T = 1 while decoding, more while prefilling) */
  tokens: tf.Tensor;
  /** int32 `[B]`: valid positions of each row's cache, which is also the position of its first new token */
  lengths: tf.Tensor;
  cache: KvCache;
}

/** How a layer attends: queries `[B, T, H, d]`, keys and values `[B, T, K, d]` of its own positions → `[B, T, H, d]`. */
type Attend = (layer: number, queries: tf.Tensor4D, keys: tf.Tensor4D, values: tf.Tensor4D) => tf.Tensor4D;

/** Final hidden states `[B, T, D]` (after the last norm) of whole sequences. */
export function forward(
  parameters: ModelParameters,
  inputs: ModelInputs,
  config: ModelConfig,
  options: ForwardOptions = {},
): tf.Tensor3D {
  const [, length] = shape2(inputs.tokens);
  const positions = inputs.positions ?? tf.tensor2d(range(length), [1, length], 'int32');
  const segments = inputs.segments as tf.Tensor2D | undefined;
  const attend: Attend = (_, queries, keys, values) => causalAttention(queries, keys, values, { segments });
  return transformer(parameters, inputs.tokens, positions, attend, config, options);
}

/** `logits [B, T, V]` of hidden states `[B, T, D]`. */
export function logits(parameters: ModelParameters, hidden: tf.Tensor, config: ModelConfig): tf.Tensor {
  return linear(hidden, outputHead(parameters, config));
}

/**
 * Teacher-forced log-probability (natural log) of `targets` and entropy (nats) of the distribution they were taken from,
 * both `[B, T]`; a gradient flows through the entropy only with `entropyGradient`. Where the vocabulary is large, logits never exist all at
 * one time (`linearTokenLogprobs` of @tapo/tfjs-onnx).
 * @param targets int32 `[B, T]`: the token that follows each position
 */
export function tokenLogprobs(
  parameters: ModelParameters,
  inputs: ModelInputs,
  targets: tf.Tensor,
  config: ModelConfig,
  { lora, checkpoint, ...options }: ForwardOptions & TokenLogprobsOptions = {},
): { logprobs: tf.Tensor2D; entropies: tf.Tensor2D } {
  const hidden = forward(parameters, inputs, config, { lora, checkpoint });
  const [batch, length, width] = hidden.shape;
  const rows: tf.Tensor2D = tf.reshape(hidden, [batch * length, width]);
  const flat: tf.Tensor1D = tf.reshape(targets, [batch * length]);
  const { logprobs, entropies } = linearTokenLogprobs(rows, outputHead(parameters, config), flat, options);
  return { logprobs: tf.reshape(logprobs, [batch, length]), entropies: tf.reshape(entropies, [batch, length]) };
}

/**
 * Hidden states `[B, T, D]` of T new tokens per row over a KV cache, and the new tokens' own keys and values
 * (`[B, K, T, d]` per layer), which the caller writes at `lengths[b]…` of its cache (`writeCache`, or in place).
 * The cache itself is only read, so a decoding step never copies it.
 */
export function forwardCached(
  parameters: ModelParameters,
  { tokens, lengths, cache }: CachedInputs,
  config: ModelConfig,
  options: ForwardOptions = {},
): { hidden: tf.Tensor3D; entries: KvCache } {
  const [batch, length] = shape2(tokens);
  const capacity = cache.keys[0]?.shape[2] ?? 0;
  const offsets = tf.tensor2d(range(length), [1, length], 'int32');
  const positions = tf.add(tf.reshape(lengths, [batch, 1]), offsets); // [B, T]
  const columns = tf.tensor(range(capacity), [1, 1, 1, 1, capacity], 'int32');
  const cached = tf.less(columns, tf.reshape(lengths, [batch, 1, 1, 1, 1]));
  const cacheMask = additive(cached); // [B, 1, 1, 1, C]
  const entries: KvCache = { keys: [], values: [] };
  const mask = length > 1 ? causalMask(length) : undefined;
  const attend: Attend = (layer, queries, ...added) => {
    const [keys, values] = added.map(swapHeads) as [tf.Tensor4D, tf.Tensor4D]; // [B, K, T, d]
    entries.keys.push(keys);
    entries.values.push(values);
    const old = { keys: cache.keys[layer] as tf.Tensor4D, values: cache.values[layer] as tf.Tensor4D, mask: cacheMask };
    return swapHeads(attention(swapHeads(queries), [old, { keys, values, mask }]));
  };
  const hidden = transformer(parameters, tokens, positions, attend, config, options);
  return { hidden, entries };
}

/** One new token per row: `tokens [B]` at position `lengths [B]` → next-token `logits [B, V]` and the cache entries. */
export function decodeStep(
  parameters: ModelParameters,
  { tokens, lengths, cache }: CachedInputs,
  config: ModelConfig,
  options: ForwardOptions = {},
): { logits: tf.Tensor2D; entries: KvCache } {
  const column = tf.reshape(tokens, [-1, 1]);
  const { hidden, entries } = forwardCached(parameters, { tokens: column, lengths, cache }, config, options);
  return { logits: tf.squeeze(logits(parameters, hidden, config), [1]), entries };
}

/**
 * T consecutive tokens of one sequence at once: `tokens [T]`, of which the first goes to position `lengths [1]` of a cache of one row.
 * Gives the cache entries `[1, K, T, d]`, the same bits as T decoding steps: each token attends as a row of its own, over columns in
 * the same places, so only the linear layers see more rows, and those don't mind. `lengths[0] + T` must not exceed the capacity.
 */
export function prefillStep(
  parameters: ModelParameters,
  { tokens, lengths, cache }: CachedInputs,
  config: ModelConfig,
  options: ForwardOptions = {},
): KvCache {
  const [length] = tokens.shape as [number];
  const capacity = cache.keys[0]?.shape[2] ?? 0;
  const positions = tf.add(lengths, tf.tensor1d(range(length), 'int32')); // [T]
  const columns = tf.tensor(range(capacity), [1, 1, 1, 1, capacity], 'int32');
  const mask = additive(tf.less(columns, tf.reshape(positions, [length, 1, 1, 1, 1]))); // [T, 1, 1, 1, C]
  const entries: KvCache = { keys: [], values: [] };
  const attend: Attend = (layer, queries, ...added) => {
    const own = added.map(swapHeads) as [tf.Tensor4D, tf.Tensor4D]; // rows of one token, [T, K, 1, d]
    const [keys, values] = own.map((x) => tf.transpose(x, [2, 1, 0, 3])) as [tf.Tensor4D, tf.Tensor4D]; // [1, K, T, d]
    entries.keys.push(keys);
    entries.values.push(values);
    const earlier = {
      keys: writeEntries(cache.keys[layer] as tf.Tensor, keys, lengths) as tf.Tensor4D,
      values: writeEntries(cache.values[layer] as tf.Tensor, values, lengths) as tf.Tensor4D,
      mask,
    };
    return swapHeads(attention(swapHeads(queries), [earlier, { keys: own[0], values: own[1] }]));
  };
  const rows = tf.reshape(tokens, [length, 1]);
  transformer(parameters, rows, tf.reshape(positions, [length, 1]), attend, config, options);
  return entries;
}

/** A new cache with `entries` (T positions per row) written at `lengths[b]…lengths[b]+T−1`. Shapes as in `KvCache`. */
export function writeCache(cache: KvCache, entries: KvCache, lengths: tf.Tensor): KvCache {
  return {
    keys: cache.keys.map((keys, layer) => writeEntries(keys, entries.keys[layer] as tf.Tensor, lengths)),
    values: cache.values.map((values, layer) => writeEntries(values, entries.values[layer] as tf.Tensor, lengths)),
  };
}

/** `old [B, K, C, d]` with `added [B, K, T, d]` in place of positions `lengths[b]…`. */
function writeEntries(old: tf.Tensor, added: tf.Tensor, lengths: tf.Tensor): tf.Tensor {
  const [batch, heads, capacity] = old.shape as [number, number, number, number];
  const length = added.shape[2] as number;
  // One-hot [B, 1, C, T]: row c takes new position c − lengths[b].
  const rows = tf.sub(tf.tensor(range(capacity), [1, 1, capacity, 1], 'int32'), tf.reshape(lengths, [batch, 1, 1, 1]));
  const placed = tf.cast(tf.equal(rows, tf.tensor(range(length), [1, 1, 1, length], 'int32')), 'float32');
  const kept = tf.sub(1, tf.sum(placed, 3, true)); // [B, 1, C, 1]
  return tf.add(tf.mul(old, kept), tf.matMul(tf.tile(placed, [1, heads, 1, 1]), added));
}

/** Embedding, layers, last norm. `positions` is `[B, T]` or `[1, T]`; the result `[B, T, D]`. */
function transformer(
  parameters: ModelParameters,
  tokens: tf.Tensor,
  positions: tf.Tensor,
  attend: Attend,
  config: ModelConfig,
  { lora, checkpoint = false }: ForwardOptions,
): tf.Tensor3D {
  const embedding = parameter(parameters, 'model.embed_tokens.weight');
  const angles = ropeAngles(positions, config);
  let x = tf.reshape(tf.gather(embedding, tf.reshape(tokens, [-1])), [...tokens.shape, config.hiddenSize]); // [B, T, D]
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const at = `model.layers.${layer}.`;
    const own = pick(parameters, (name) => name.startsWith(at));
    const ownLora = lora && { ...lora, parameters: pick(lora.parameters, (name) => name.includes(`.${at}`)) };
    if (!checkpoint) {
      x = transformerLayer(x, layer, own, angles, attend, config, ownLora);
      continue;
    }
    // Under an adapter the base weights are constants.
    const [trained, frozen] = ownLora ? [ownLora.parameters, own] : [own, {}];
    const run = ([x, ...values]: tf.Tensor[], [cos, sin, ...constants]: tf.Tensor[]) => {
      const given = zip(Object.keys(trained), values);
      const weights = ownLora ? zip(Object.keys(frozen), constants) : given;
      const adapter = ownLora && { ...ownLora, parameters: given };
      return transformerLayer(x as tf.Tensor, layer, weights, [cos, sin] as RopeAngles, attend, config, adapter);
    };
    x = recomputed(run, [x, ...Object.values(trained)], [...angles, ...Object.values(frozen)]);
  }
  const epsilon = config.rmsNormEps;
  return rmsNorm(x as tf.Tensor3D, parameter(parameters, 'model.norm.weight'), { epsilon });
}

/** One layer: `x [B, T, D]` plus attention, plus MLP, each on the normalised sum so far. */
function transformerLayer(
  x: tf.Tensor,
  layer: number,
  parameters: ModelParameters,
  [cos, sin]: RopeAngles,
  attend: Attend,
  config: ModelConfig,
  lora?: Lora,
): tf.Tensor {
  const { numAttentionHeads: H, numKeyValueHeads: K, headDim: d } = config;
  const [batch, length] = shape2(x);
  const at = `model.layers.${layer}`;
  const norm = <T extends tf.Tensor>(x: T, name: string) =>
    rmsNorm(x, parameter(parameters, `${at}.${name}.weight`), { epsilon: config.rmsNormEps });
  const project = (x: tf.Tensor, name: string, bias: boolean) => {
    let y = linear(x, parameter(parameters, `${at}.${name}.weight`));
    if (bias) y = tf.add(y, parameter(parameters, `${at}.${name}.bias`));
    const delta = lora && loraDelta(x, `${at}.${name}`, lora);
    return delta ? tf.add(y, delta) : y;
  };
  const split = (x: tf.Tensor, heads: number): tf.Tensor4D => tf.reshape(x, [batch, length, heads, d]);

  const normed = norm(x, 'input_layernorm');
  let queries = split(project(normed, 'self_attn.q_proj', config.qkvBias), H); // [B, T, H, d]
  let keys = split(project(normed, 'self_attn.k_proj', config.qkvBias), K); // [B, T, K, d]
  const values = split(project(normed, 'self_attn.v_proj', config.qkvBias), K);
  if (config.qkNorm) {
    queries = norm(queries, 'self_attn.q_norm');
    keys = norm(keys, 'self_attn.k_norm');
  }
  const attended = attend(layer, rope(queries, cos, sin), rope(keys, cos, sin), values); // [B, T, H, d]
  const merged = tf.reshape(attended, [batch, length, H * d]);
  const residual = tf.add(x, project(merged, 'self_attn.o_proj', config.outputBias));

  const normed2 = norm(residual, 'post_attention_layernorm');
  const gate = project(normed2, 'mlp.gate_proj', config.mlpBias); // [B, T, F]
  const up = project(normed2, 'mlp.up_proj', config.mlpBias);
  const swiglu = tf.mul(tf.mul(gate, tf.sigmoid(gate)), up);
  return tf.add(residual, project(swiglu, 'mlp.down_proj', config.mlpBias));
}

/** `x [..., in]` times `weight [out, in]` transposed → `[..., out]`. */
function linear(x: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  const [out, width] = weight.shape as [number, number];
  const product = tf.matMul(tf.reshape(x, [-1, width]), weight as tf.Tensor2D, false, true);
  return tf.reshape(product, [...x.shape.slice(0, -1), out]);
}

/** Cosines and sines, `[T, d/2]`, or `[B, T, d/2]` where rows have positions of their own. */
type RopeAngles = [cos: tf.Tensor, sin: tf.Tensor];

function ropeAngles(positions: tf.Tensor, config: ModelConfig): RopeAngles {
  const frequencies = tf.tensor(inverseFrequencies(config.rope, config.headDim), [1, 1, config.headDim / 2]);
  const all = tf.mul(tf.expandDims(tf.cast(positions, 'float32'), -1), frequencies);
  const angles = positions.shape[0] === 1 ? tf.squeeze(all, [0]) : all;
  return [tf.cos(angles), tf.sin(angles)];
}

/** `[B, T, heads, d]` ↔ `[B, heads, T, d]`. */
function swapHeads(x: tf.Tensor4D): tf.Tensor4D {
  const [batch, rows, columns, d] = x.shape;
  if (rows === 1 || columns === 1) return tf.reshape(x, [batch, columns, rows, d]);
  return tf.transpose(x, [0, 2, 1, 3]);
}

/** Positions attended to: keys and values `[B, K, S, d]`, additive mask `[B or 1, 1, 1, T or 1, S]` unless all are seen. */
interface AttendedPositions {
  keys: tf.Tensor4D;
  values: tf.Tensor4D;
  mask?: tf.Tensor | undefined;
}

/**
 * Grouped-query attention, `softmax(q·kᵀ / sqrt(d) + mask) · v` of queries `[B, H, T, d]` over the positions of all parts
 * together → `[B, H, T, d]`. The parts (cached and new positions) are never joined, so the cache is not copied; the G query heads of a
 * group are rows of one matrix, so keys are not repeated.
 */
function attention(queries: tf.Tensor4D, parts: AttendedPositions[]): tf.Tensor4D {
  const [B, H, T, d] = queries.shape;
  const K = (parts[0] as AttendedPositions).keys.shape[1];
  const G = H / K;
  const grouped = tf.reshape(tf.mul(queries, 1 / Math.sqrt(d)), [B, K, G * T, d]);
  // A single position needs no matrix product, which costs more than it computes.
  const scores = parts.map(({ keys, mask }) => {
    const width = keys.shape[2];
    const products = width === 1 ? tf.sum(tf.mul(grouped, keys), -1) : tf.matMul(grouped, keys, false, true);
    const byHead = tf.reshape(products, [B, K, G, T, width]);
    return mask ? tf.add(byHead, mask) : byHead;
  });
  const widths = parts.map(({ keys }) => keys.shape[2]);
  const weights = tf.softmax(scores.length === 1 ? (scores[0] as tf.Tensor) : tf.concat(scores, 4));
  const shares = parts.length === 1 ? [weights] : tf.split(weights, widths, 4);
  const attended = parts.map(({ values }, i) => {
    const share = tf.reshape(shares[i] as tf.Tensor, [B, K, G * T, values.shape[2]]);
    return values.shape[2] === 1 ? tf.mul(share, values) : tf.matMul(share, values);
  });
  return tf.reshape(tf.addN(attended), [B, H, T, d]);
}

/** Additive mask `[1, 1, 1, T, T]`: 0 where position t may see s ≤ t, else −1e9. */
function causalMask(length: number): tf.Tensor {
  const rows = tf.tensor(range(length), [1, 1, 1, length, 1], 'int32');
  const columns = tf.tensor(range(length), [1, 1, 1, 1, length], 'int32');
  return additive(tf.lessEqual(columns, rows));
}

/** true → 0, false → −1e9. */
function additive(allowed: tf.Tensor): tf.Tensor {
  return tf.mul(tf.sub(tf.cast(allowed, 'float32'), 1), 1e9);
}

/** `[V, D]`: what turns hidden states into logits. */
function outputHead(parameters: ModelParameters, config: ModelConfig): tf.Tensor2D {
  const name = config.tieWordEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';
  return parameter(parameters, name) as tf.Tensor2D;
}

function parameter(parameters: ModelParameters, name: string): tf.Tensor {
  const tensor = parameters[name];
  if (!tensor) throw new Error(`the model has no parameter "${name}"; its config.json asks for it`);
  return tensor;
}

function pick(tensors: Record<string, tf.Tensor>, wanted: (name: string) => boolean): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.entries(tensors).filter(([name]) => wanted(name)));
}

function zip(names: string[], tensors: tf.Tensor[]): Record<string, tf.Tensor> {
  return Object.fromEntries(names.map((name, i) => [name, tensors[i] as tf.Tensor]));
}

function shape2(tensor: tf.Tensor): [number, number] {
  return tensor.shape as [number, number];
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
