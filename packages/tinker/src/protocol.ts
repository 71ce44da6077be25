/**
 * The Tinker wire protocol: JSON bodies under `/api/v1`, as the official Python SDK 0.25, SkyRL, verl and TuFT speak it.
 * Field names are the protocol's own (snake case).
 */

export interface TensorData {
  data: number[];
  dtype: 'int64' | 'float32';
  shape: number[];
}

export interface ModelInput {
  chunks: { type: 'encoded_text'; tokens: number[] }[];
}

/** For a sequence x: input x[:-1]; every tensor has one number per target x[1:]. */
export interface Datum {
  model_input: ModelInput;
  loss_fn_inputs: {
    target_tokens: TensorData;
    weights?: TensorData;
    logprobs?: TensorData;
    advantages?: TensorData;
  };
}

export type LossFn = 'cross_entropy' | 'importance_sampling' | 'ppo' | 'cispo' | (string & {});

export interface AdamParams {
  learning_rate: number;
  beta1: number;
  beta2: number;
  eps: number;
  weight_decay: number;
  /** 0 = no clipping */
  grad_clip_norm: number;
}

export interface SamplingParams {
  max_tokens: number;
  seed?: number;
  /** all strings or all token ids */
  stop?: string[] | number[];
  temperature: number;
  top_p: number;
  /** −1 = off */
  top_k: number;
}

/** Result of `forward` and `forward_backward`. */
export interface ForwardBackwardOutput {
  /** one per datum, in order; `logprobs` has the datum's length */
  loss_fn_outputs: { logprobs: TensorData }[];
  metrics: Record<string, number>;
}

export interface SampleOutput {
  sequences: { tokens: number[]; logprobs: number[] | null; stop_reason: 'stop' | 'length' }[];
  prompt_logprobs?: (number | null)[] | null;
}

export interface CheckpointInfo {
  checkpoint_id: string;
  checkpoint_type?: string;
  tinker_path?: string;
}

export const encodedText = (tokens: readonly number[]): ModelInput => ({
  chunks: [{ type: 'encoded_text', tokens: [...tokens] }],
});

export const int64 = (data: ArrayLike<number>): TensorData => ({
  data: Array.from(data),
  dtype: 'int64',
  shape: [data.length],
});

/** @throws on NaN and ±Infinity: JSON would turn them into null, and the server into something else again. */
export function float32(data: ArrayLike<number>, name: string): TensorData {
  const values = Array.from(data);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new Error(`${name}[${bad}] is ${values[bad]}: only finite numbers can be sent.`);
  return { data: values, dtype: 'float32', shape: [values.length] };
}
