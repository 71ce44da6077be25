/**
 * The seams this engine fits, stated structurally: `Policy` of `@tapo/rollout` and `Learner` of `@tapo/trainer`, which
 * own them.
 */
import type { Batch, LossSpec } from '@tapo/core';

import type { AdamWOptions } from './adamw.js';

export interface SampleRequest {
  /** the KV cache is kept under it until `release` */
  sequenceId: string;
  /** the whole sequence so far; what was cached is a prefix of it */
  tokens: number[];
  maxTokens: number;
  /** sampling ends after the token that completes one of these strings (the token is included) */
  stop: string[];
  /** 0 = greedy */
  temperature: number;
  topP: number;
  /** 0 = off */
  topK: number;
  /** a draw depends only on (seed, position in the sequence) */
  seed: number;
}

export interface SampleResult {
  tokens: number[];
  /** natural log-probability of each token, temperature applied (greedy: temperature 1), before top-p and top-k */
  logprobs: number[];
  stopReason: 'stop' | 'eos' | 'length';
}

/** What the engine asks of a tokenizer. */
export interface EngineTokenizer {
  tokenBytes(token: number): Uint8Array;
  readonly eosTokenIds: readonly number[];
  readonly vocabSize: number;
}

export interface LocalPolicy<T extends EngineTokenizer = EngineTokenizer> {
  readonly tokenizer: T;
  sample(request: SampleRequest, options?: { signal?: AbortSignal }): Promise<SampleResult>;
  release(sequenceId: string): Promise<void>;
}

export interface ForwardResult {
  /** natural logarithm, `[rows, length]` row major; 0 at padding */
  logprobs: Float32Array;
  /** nats, `[rows, length]` */
  entropies: Float32Array;
}

export interface LocalLearner {
  /** teacher-forced log-probability of each target, and the entropy at its position */
  logprobs(batch: Batch): Promise<ForwardResult>;
  /** the same with the parameters as the engine was given them; there with `keepReference` */
  referenceLogprobs?(batch: Batch): Promise<ForwardResult>;
  /** adds the batch's gradient to the accumulator */
  forwardBackward(batch: Batch, loss: LossSpec): Promise<ForwardResult & { loss: number }>;
  /** clips, steps, zeroes the accumulator */
  optimizerStep(options: AdamWOptions): Promise<{ gradientNorm: number }>;
  /** model, moments and step count; the directory is complete or absent */
  save(directory: string): Promise<void>;
  load(directory: string): Promise<void>;
  /** drops what the sampler computed from older weights */
  syncSampler(): Promise<void>;
  close(): Promise<void>;
}
