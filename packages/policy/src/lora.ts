/** Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685; rsLoRA, Kalajdzievski 2023, arXiv 2312.03732). */
import * as tf from '@tensorflow/tfjs-core';

/** Adapters as the model uses them. */
export interface Lora {
  /** `<layer>.lora_A.weight [r, in]` and `<layer>.lora_B.weight [out, r]` under PEFT's names (prefix `base_model.model.`) */
  parameters: Record<string, tf.Tensor>;
  /** α / r, or α / √r under rsLoRA */
  scaling: number;
}

/** `scaling · (x · Aᵀ) · Bᵀ` of the linear layer `name` (`[..., in]` → `[..., out]`), or nothing where it has no adapter. */
export function loraDelta(x: tf.Tensor, name: string, { parameters, scaling }: Lora): tf.Tensor | undefined {
  const down = parameters[`base_model.model.${name}.lora_A.weight`];
  const up = parameters[`base_model.model.${name}.lora_B.weight`];
  if (!down || !up) return undefined;
  const [rank, width] = down.shape as [number, number];
  const [out] = up.shape as [number, number];
  const low = tf.matMul(tf.reshape(x, [-1, width]), down as tf.Tensor2D, false, true); // [N, r]
  const delta = tf.matMul(tf.reshape(tf.mul(low, scaling), [-1, rank]), up as tf.Tensor2D, false, true); // [N, out]
  return tf.reshape(delta, [...x.shape.slice(0, -1), out]);
}
