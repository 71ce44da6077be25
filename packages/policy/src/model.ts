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
  /** int32 `[N]`: one new token for each of N rows, or N consecutive ones for a single row */
  tokens: tf.Tensor;
  /** int32 `[B]`, B = N or 1: valid positions of each row's cache, which is also the position of its first new token */
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
  const [batch, length] = shape2(inputs.tokens);
  const positions = inputs.positions ?? tf.tensor2d(range(length), [1, length], 'int32');
  const segments = inputs.segments as tf.Tensor2D | undefined;
  const attend: Attend = (_, queries, keys, values) => causalAttention(queries, keys, values, { segments });
  const tokens = tf.reshape(inputs.tokens, [-1]);
  const angles = ropeAngles(positions, config);
  const hidden = transformer(parameters, tokens, [batch, length], angles, attend, config, options);
  return tf.reshape(hidden, [batch, length, config.hiddenSize]);
}

/** `logits [..., V]` of hidden states `[..., D]`. */
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
 * Hidden states `[N, D]` of new tokens over a KV cache, and the cache with their keys and values in it, at `lengths[b]…`. Compiled,
 * with the new cache bound to the memory of the old one, it is written in place.
 *
 * Each token attends as a row of its own over all C positions of its cache, so N tokens of one row give the same bits as N
 * calls of one token; only the linear layers see more rows, and those don't mind from two on. A token that would go beyond
 * the cache's last position, which padding does, is written there: keep that position free.
 */
export function forwardCached(
  parameters: ModelParameters,
  { tokens, lengths, cache }: CachedInputs,
  config: ModelConfig,
  options: ForwardOptions = {},
): { hidden: tf.Tensor2D; cache: KvCache } {
  const { numKeyValueHeads: K, headDim: d } = config;
  const [count] = tokens.shape as [number];
  const [batch, , capacity] = (cache.keys[0] as tf.Tensor4D).shape;
  if (batch !== count && batch !== 1)
    throw new Error(`${count} tokens over a cache of ${batch} rows; wanted as many rows, or one for all`);
  const offsets = batch === count ? undefined : tf.tensor1d(range(count), 'int32');
  const positions = tf.minimum(offsets ? tf.add(lengths, offsets) : lengths, tf.scalar(capacity - 1, 'int32')); // [N]
  const column = tf.reshape(positions, [count, 1, 1]);
  const places = range(count * K).flatMap((i) => [batch === 1 ? 0 : Math.floor(i / K), i % K]);
  // [N, K, 3]: row, head and position of each new key and value
  const targets = tf.concat([tf.tensor3d(places, [count, K, 2], 'int32'), tf.tile(column, [1, K, 1])], 2);
  const columns = tf.tensor4d(range(capacity), [1, 1, 1, capacity], 'int32');
  const mask = tf.where(tf.lessEqual(columns, tf.reshape(positions, [count, 1, 1, 1])), 0, -1e9); // [N, 1, 1, C]
  const next: KvCache = { keys: [], values: [] };
  const attend: Attend = (layer, queries, ...added) => {
    const append = (old: tf.Tensor[], entries: tf.Tensor) => {
      const updates = tf.reshape(entries, [count, K, d]);
      return tf.tensorScatterUpdate(old[layer] as tf.Tensor4D, targets, updates) as tf.Tensor4D;
    };
    const [keys, values] = [append(cache.keys, added[0]), append(cache.values, added[1])]; // [B, K, C, d]
    next.keys.push(keys);
    next.values.push(values);
    return cachedAttention(queries, keys, values, mask);
  };
  const shape: [number, number] = [count, 1];
  // Scores of attention are divided by √d. Half of that is in the queries and half in the keys, where it costs nothing.
  const angles = ropeAngles(tf.reshape(positions, shape), config).map((each) => tf.mul(each, d ** -0.25)) as RopeAngles;
  return { hidden: transformer(parameters, tokens, shape, angles, attend, config, options), cache: next };
}

/** One new token per row: `tokens [B]` at position `lengths [B]` → next-token `logits [B, V]` and the cache. */
export function decodeStep(
  parameters: ModelParameters,
  inputs: CachedInputs,
  config: ModelConfig,
  options: ForwardOptions = {},
): { logits: tf.Tensor2D; cache: KvCache } {
  const { hidden, cache } = forwardCached(parameters, inputs, config, options);
  return { logits: logits(parameters, hidden, config) as tf.Tensor2D, cache };
}

/** Embedding, layers, last norm: `tokens [B·T]` → `[B·T, D]`. Rows stay flat, for a reshape costs a small model's step time too. */
function transformer(
  parameters: ModelParameters,
  tokens: tf.Tensor,
  shape: [batch: number, length: number],
  angles: RopeAngles,
  attend: Attend,
  config: ModelConfig,
  { lora, checkpoint = false }: ForwardOptions,
): tf.Tensor2D {
  const embedding = parameter(parameters, 'model.embed_tokens.weight');
  let x = tf.gather(embedding, tokens as tf.Tensor1D); // [B·T, D]
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const at = `model.layers.${layer}.`;
    const own = pick(parameters, (name) => name.startsWith(at));
    const ownLora = lora && { ...lora, parameters: pick(lora.parameters, (name) => name.includes(`.${at}`)) };
    if (!checkpoint) {
      x = transformerLayer(x, shape, layer, own, angles, attend, config, ownLora);
      continue;
    }
    // Under an adapter the base weights are constants.
    const [trained, frozen] = ownLora ? [ownLora.parameters, own] : [own, {}];
    const run = ([x, ...values]: tf.Tensor[], [cos, sin, ...constants]: tf.Tensor[]) => {
      const given = zip(Object.keys(trained), values);
      const weights = ownLora ? zip(Object.keys(frozen), constants) : given;
      const adapter = ownLora && { ...ownLora, parameters: given };
      const turns = [cos, sin] as RopeAngles;
      return transformerLayer(x as tf.Tensor, shape, layer, weights, turns, attend, config, adapter);
    };
    x = recomputed(run, [x, ...Object.values(trained)], [...angles, ...Object.values(frozen)]);
  }
  const epsilon = config.rmsNormEps;
  return rmsNorm(x as tf.Tensor2D, parameter(parameters, 'model.norm.weight'), { epsilon });
}

/** One layer: `x [B·T, D]` plus attention, plus MLP, each on the normalised sum so far. */
function transformerLayer(
  x: tf.Tensor,
  [batch, length]: [number, number],
  layer: number,
  parameters: ModelParameters,
  [cos, sin]: RopeAngles,
  attend: Attend,
  config: ModelConfig,
  lora?: Lora,
): tf.Tensor {
  const { numAttentionHeads: H, numKeyValueHeads: K, headDim: d } = config;
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
  const merged = tf.reshape(attended, [batch * length, H * d]);
  const residual = tf.add(x, project(merged, 'self_attn.o_proj', config.outputBias));

  const normed2 = norm(residual, 'post_attention_layernorm');
  const gate = project(normed2, 'mlp.gate_proj', config.mlpBias); // [B·T, F]
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

/**
 * Grouped-query attention, `softmax(q·kᵀ + mask) · v`, of one query position per row, `[N, 1, H, d]`, over the whole cache,
 * `[N or 1, K, C, d]` → `[N, 1, H, d]`. `mask [N, 1, 1, C]` is additive. The query heads of a group are rows of one matrix, so keys
 * are not repeated.
 */
function cachedAttention(queries: tf.Tensor4D, keys: tf.Tensor4D, values: tf.Tensor4D, mask: tf.Tensor): tf.Tensor4D {
  const [rows, , heads, d] = queries.shape;
  const K = keys.shape[1];
  const grouped = tf.reshape(queries, [rows, K, heads / K, d]);
  const weights = tf.softmax(tf.add(tf.matMul(grouped, keys, false, true), mask)); // [N, K, G, C]
  return tf.reshape(tf.matMul(weights, values), [rows, 1, heads, d]);
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
