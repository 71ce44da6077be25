/**
 * Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685): a frozen linear layer W gains `scaling · B·A` with
 * A `[r, in]` and B `[out, r]`. Scaling is α/r, or α/√r under rsLoRA (Kalajdzievski 2023, arXiv 2312.03732).
 * Names and layouts are PEFT's.
 */
import * as tf from '@tensorflow/tfjs-core';

import type { ModelConfig } from './config.js';
import { parameterShapes, randomGenerator, type HostParameters } from './parameters.js';

const loraTargets = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;

/** Last part of the name of a linear layer that can carry an adapter. */
export type LoraTarget = (typeof loraTargets)[number];

export interface LoraConfig {
  rank: number;
  alpha: number;
  /** which linear layers of every block are adapted */
  targets: LoraTarget[];
  /** scale by α/√rank instead of α/rank */
  rsLora: boolean;
}

/** Adapters as the model uses them. */
export interface Lora {
  /** by PEFT's names: `base_model.model.<layer>.lora_A.weight [r, in]` and `….lora_B.weight [out, r]` */
  parameters: Record<string, tf.Tensor>;
  /** see `loraScaling` */
  scaling: number;
}

/** Factor of `B·A`. */
export function loraScaling({ rank, alpha, rsLora }: Pick<LoraConfig, 'rank' | 'alpha' | 'rsLora'>): number {
  return alpha / (rsLora ? Math.sqrt(rank) : rank);
}

/** `scaling · (x · Aᵀ) · Bᵀ` of the linear layer `name` (`[..., in]` → `[..., out]`), or nothing where it has no adapter. */
export function loraDelta(x: tf.Tensor, name: string, { parameters, scaling }: Lora): tf.Tensor | undefined {
  const [a, b] = loraNames(name).map((key) => parameters[key]);
  if (!a || !b) return undefined;
  const [rank, width] = a.shape as [number, number];
  const [out] = b.shape as [number, number];
  const low = tf.matMul(tf.reshape(x, [-1, width]), a as tf.Tensor2D, false, true); // [N, r]
  const delta = tf.matMul(tf.reshape(tf.mul(low, scaling), [-1, rank]), b as tf.Tensor2D, false, true); // [N, out]
  return tf.reshape(delta, [...x.shape.slice(0, -1), out]);
}

/** Shape of every adapter parameter. */
export function loraShapes(
  model: ModelConfig,
  { rank, targets }: Pick<LoraConfig, 'rank' | 'targets'>,
): Record<string, number[]> {
  if (!Number.isInteger(rank) || rank < 1) throw new Error(`lora.rank is ${rank}, wanted a positive integer`);
  const unknown = targets.find((target) => !loraTargets.includes(target));
  if (unknown !== undefined || targets.length === 0) {
    throw new Error(`lora.targets is ${JSON.stringify(targets)}, wanted one or more of ${loraTargets.join(', ')}`);
  }
  const shapes: Record<string, number[]> = {};
  for (const [weight, [out, width]] of Object.entries(parameterShapes(model))) {
    const layer = weight.replace(/\.weight$/, '');
    if (!targets.some((target) => weight === `${layer}.weight` && layer.endsWith(`.${target}`))) continue;
    const [a, b] = loraNames(layer);
    shapes[a] = [rank, width as number];
    shapes[b] = [out as number, rank];
  }
  return shapes;
}

export interface InitializeLoraOptions {
  seed?: number;
}

/** Fresh adapters: A uniform in ±1/√in (PEFT's Kaiming initialisation with a = √5), B zero, so that the model is unchanged at first. */
export function initializeLora(
  model: ModelConfig,
  config: LoraConfig,
  { seed = 0 }: InitializeLoraOptions = {},
): HostParameters {
  const { uniform } = randomGenerator(seed);
  const parameters: HostParameters = {};
  for (const [name, shape] of Object.entries(loraShapes(model, config))) {
    const [rows, columns] = shape as [number, number];
    const data = new Float32Array(rows * columns);
    if (name.endsWith('.lora_A.weight')) {
      const bound = 1 / Math.sqrt(columns);
      for (let i = 0; i < data.length; i++) data[i] = (2 * uniform() - 1) * bound;
    }
    parameters[name] = { data, shape, dtype: 'float32' };
  }
  return parameters;
}

/** `W + scaling · B·A` for every adapted weight. Unadapted tensors are shared with `base`, not copied; `base` stays as it is. */
export function mergeLora(base: HostParameters, adapter: HostParameters, config: LoraConfig): HostParameters {
  const merged = { ...base };
  const scaling = loraScaling(config);
  const layers = Object.keys(adapter).filter((name) => name.endsWith('.lora_A.weight'));
  for (const key of layers) {
    const layer = key.slice('base_model.model.'.length, -'.lora_A.weight'.length);
    const weight = base[`${layer}.weight`];
    const [a, b] = loraNames(layer).map((name) => adapter[name]);
    if (!weight || !a || !b)
      throw new Error(`adapter parameter "${key}" has no ${weight ? 'lora_B' : 'base weight'} to go with`);
    const [out, width] = weight.shape as [number, number];
    const rank = a.shape[0] as number;
    const data = weight.data.slice();
    const delta = new Float32Array(width);
    for (let row = 0; row < out; row++) {
      delta.fill(0);
      for (let r = 0; r < rank; r++) {
        const factor = b.data[row * rank + r] as number;
        for (let i = 0; i < width; i++) delta[i] = (delta[i] as number) + factor * (a.data[r * width + i] as number);
      }
      for (let i = 0; i < width; i++)
        data[row * width + i] = (data[row * width + i] as number) + scaling * (delta[i] as number);
    }
    merged[`${layer}.weight`] = { ...weight, data };
  }
  return merged;
}

/** PEFT's names of a layer's A and B. */
function loraNames(layer: string): [string, string] {
  return [`base_model.model.${layer}.lora_A.weight`, `base_model.model.${layer}.lora_B.weight`];
}
