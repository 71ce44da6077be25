import type { Batch, LossSpec } from '@tapo/core';

export interface OptimizerStepOptions {
  learningRate: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  weightDecay?: number;
  /** global L2 norm; `null` = off */
  gradientClip?: number | null;
}

export interface ForwardBackwardResult {
  /** Σ weights · per-token loss over the batch */
  loss: number;
  /** current log-probability of each target, `[rows, length]` row major; 0 at padding */
  logprobs: Float32Array;
  /** entropy of the distribution at each position, `[rows, length]`, when the engine gives it */
  entropies?: Float32Array;
}

/** What the training loop needs of an engine that learns: local worker or remote server. */
export interface Learner {
  /** teacher-forced log-probability of each target (and entropy), `[rows, length]` row major */
  logprobs(batch: Batch): Promise<{ logprobs: Float32Array; entropies?: Float32Array }>;
  /** the same from the weights before training; engines that can keep them beside those they train */
  referenceLogprobs?(batch: Batch): ReturnType<Learner['logprobs']>;
  /**
   * adds the batch's gradient to the accumulator; splits into micro-batches as memory demands. Without `batch.oldLogprobs`
   * the log-probabilities before the update are those of this very pass.
   */
  forwardBackward(batch: Batch, loss: LossSpec): Promise<ForwardBackwardResult>;
  /** clips, steps, zeroes the accumulator */
  optimizerStep(options: OptimizerStepOptions): Promise<{ gradientNorm: number }>;
  /** weights, moments and step count; atomic: the directory is complete or absent */
  save(directory: string): Promise<void>;
  load(directory: string): Promise<void>;
  /** makes the sampler use the newest weights (and drops its KV caches) */
  syncSampler(): Promise<void>;
  /** the trained adapter in PEFT's layout, for samplers elsewhere; engines that train one */
  saveAdapter?(directory: string): Promise<void>;
  close(): Promise<void>;
}
