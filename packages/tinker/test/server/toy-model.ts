import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-cpu';
import { createRandom } from '@tapo/core';
import {
  initializeParameters,
  parseModelConfig,
  tokenLogprobs,
  forward,
  logits,
  type HostParameters,
} from '@tapo/policy';
import * as tf from '@tensorflow/tfjs-core';
import type { AdamParams, Datum } from '@tapo/tinker';

/** A real, differentiable Qwen2 model small enough for tfjs's CPU backend. */
export const toyConfig = parseModelConfig({
  architectures: ['Qwen2ForCausalLM'],
  model_type: 'qwen2',
  vocab_size: 24,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
});

export const toyParameters = (seed: number): HostParameters =>
  initializeParameters(toyConfig, { seed, embeddingStd: 0.3, linearStd: 0.2 });

export interface ToyState {
  parameters: HostParameters;
  moments: Record<string, { m: Float32Array; v: Float32Array }>;
  steps: number;
}

export const copyState = (state: ToyState): ToyState => structuredClone(state);

const tensors = (parameters: HostParameters): Record<string, tf.Tensor> =>
  Object.fromEntries(Object.entries(parameters).map(([name, { data, shape }]) => [name, tf.tensor(data, shape)]));

const tokensOf = (datum: Datum): number[] => datum.model_input.chunks.flatMap(({ tokens }) => tokens);

/** log π(target) of each position of one datum, as a tensor `[n]` */
function datumLogprobs(parameters: Record<string, tf.Tensor>, datum: Datum): tf.Tensor1D {
  const tokens = tf.tensor2d([tokensOf(datum)], undefined, 'int32');
  const targets = tf.tensor2d([datum.loss_fn_inputs.target_tokens.data], undefined, 'int32');
  return tf.squeeze(tokenLogprobs(parameters, { tokens }, targets, toyConfig).logprobs, [0]);
}

export function forwardPass({ parameters }: ToyState, data: readonly Datum[]): number[][] {
  return tf.tidy(() => {
    const weights = tensors(parameters);
    return data.map((datum) => Array.from(datumLogprobs(weights, datum).dataSync()));
  });
}

/** The servers' losses, written independently of ours: a sum over tokens, or SkyRL-JAX's mean of per-datum means. */
function serverLoss(
  logprobs: tf.Tensor1D,
  datum: Datum,
  lossFn: string,
  config: Record<string, number> | null,
): tf.Tensor {
  const { weights, logprobs: old, advantages } = datum.loss_fn_inputs;
  const ones = tf.onesLike(logprobs);
  if (lossFn === 'cross_entropy') return tf.mul(tf.neg(logprobs), weights ? tf.tensor1d(weights.data) : ones);
  const advantage = tf.tensor1d(advantages?.data ?? []);
  const ratio: tf.Tensor = tf.exp(tf.sub(logprobs, tf.tensor1d(old?.data ?? [])));
  if (lossFn === 'importance_sampling') return tf.neg(tf.mul(ratio, advantage));
  if (lossFn === 'ppo') {
    const clipped = tf.clipByValue(ratio, config?.clip_low_threshold ?? 0.8, config?.clip_high_threshold ?? 1.2);
    return tf.neg(tf.minimum(tf.mul(ratio, advantage), tf.mul(clipped, advantage)));
  }
  throw new Error(`loss_fn ${lossFn} is not one of cross_entropy, importance_sampling, ppo`);
}

/** Gradient of the summed loss by parameter name. `datum-mean` still wants the division by N at `optim_step`. */
export function backwardPass(
  { parameters }: ToyState,
  data: readonly Datum[],
  {
    lossFn,
    config,
    reduction,
  }: { lossFn: string; config: Record<string, number> | null; reduction: 'sum' | 'datum-mean' },
): { gradients: Record<string, Float32Array>; logprobs: number[][] } {
  return tf.tidy(() => {
    const names = Object.keys(parameters);
    const weights = tensors(parameters);
    const logprobs: number[][] = [];
    const { grads } = tf.valueAndGrads((...values: tf.Tensor[]) => {
      const named = Object.fromEntries(names.map((name, i) => [name, values[i] as tf.Tensor]));
      const losses = data.map((datum) => {
        const current = datumLogprobs(named, datum);
        logprobs.push(Array.from(current.dataSync()));
        const sum = tf.sum<tf.Scalar>(serverLoss(current, datum, lossFn, config));
        const trained = datum.loss_fn_inputs.weights?.data.reduce((total, weight) => total + weight, 0) ?? 1;
        return reduction === 'datum-mean' ? tf.div<tf.Scalar>(sum, trained) : sum;
      });
      return tf.addN(losses) as tf.Scalar;
    })(names.map((name) => weights[name] as tf.Tensor));
    const gradients = Object.fromEntries(
      names.map((name, i) => [name, (grads[i] as tf.Tensor).dataSync() as Float32Array]),
    );
    return { gradients, logprobs };
  });
}

/** AdamW with global-norm clipping; returns the norm before clipping. */
export function adamStep(state: ToyState, gradients: Record<string, Float32Array>, params: AdamParams): number {
  let squares = 0;
  for (const gradient of Object.values(gradients)) for (const g of gradient) squares += g * g;
  const norm = Math.sqrt(squares);
  const scale = params.grad_clip_norm > 0 && norm > params.grad_clip_norm ? params.grad_clip_norm / norm : 1;
  state.steps++;
  for (const [name, { data }] of Object.entries(state.parameters)) {
    const { m, v } = (state.moments[name] ??= { m: new Float32Array(data.length), v: new Float32Array(data.length) });
    for (let i = 0; i < data.length; i++) {
      const g = (gradients[name]?.[i] ?? 0) * scale;
      m[i] = params.beta1 * (m[i] ?? 0) + (1 - params.beta1) * g;
      v[i] = params.beta2 * (v[i] ?? 0) + (1 - params.beta2) * g * g;
      const mean = (m[i] ?? 0) / (1 - params.beta1 ** state.steps);
      const variance = (v[i] ?? 0) / (1 - params.beta2 ** state.steps);
      const value = data[i] ?? 0;
      data[i] =
        value - params.learning_rate * (mean / (Math.sqrt(variance) + params.eps) + params.weight_decay * value);
    }
  }
  return norm;
}

/** Samples by full forward passes; stop strings are looked for in the decoded tail after every token. */
export function sampleTokens(
  { parameters }: ToyState,
  prompt: readonly number[],
  options: { maxTokens: number; temperature: number; seed: number; stops: (tokens: readonly number[]) => boolean },
): { tokens: number[]; logprobs: number[]; stopReason: 'stop' | 'length' } {
  const random = createRandom(options.seed);
  const sampled: number[] = [];
  const logprobs: number[] = [];
  return tf.tidy(() => {
    const weights = tensors(parameters);
    while (sampled.length < options.maxTokens) {
      const row = tf.tidy(() => {
        const tokens = tf.tensor2d([[...prompt, ...sampled]], undefined, 'int32');
        const all = tf.logSoftmax(logits(weights, forward(weights, { tokens }, toyConfig), toyConfig)) as tf.Tensor3D;
        return all.dataSync().slice(-toyConfig.vocabSize);
      });
      let token = row.indexOf(Math.max(...row));
      if (options.temperature > 0) {
        let u = random.next();
        token = row.findIndex((logprob) => (u -= Math.exp(logprob)) <= 0);
        if (token < 0) token = row.length - 1;
      }
      sampled.push(token);
      logprobs.push(row[token] ?? 0);
      if (options.stops(sampled)) return { tokens: sampled, logprobs, stopReason: 'stop' as const };
    }
    return { tokens: sampled, logprobs, stopReason: 'length' as const };
  });
}
