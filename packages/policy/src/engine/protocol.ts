/** Messages between the caller's thread and the engine's worker. Everything here survives a structured clone. */
import type { Batch, LossSpec } from '@tapo/core';

import type { LoraAdapter } from '../adapter-files.js';
import type { ModelConfig } from '../config.js';
import type { HostParameters } from '../parameters.js';
import type { AdamWOptions } from './adamw.js';
import type { BackendName } from './backend.js';
import type { ForwardResult, SampleRequest, SampleResult } from './types.js';

/** What the worker starts from. */
export interface EngineSetup {
  config: ModelConfig;
  parameters: HostParameters;
  /** trained in place of the parameters */
  adapter?: LoraAdapter;
  backend: BackendName;
  threads: number;
  microBatchTokens: number;
  gradientCheckpointing: boolean;
  keepReference: boolean;
  maxCacheBytes: number;
  maxArenaBytes: number;
  maxRows: number;
  mostSteps: number;
  compiledShapes: number;
  eosTokenIds: readonly number[];
}

/** What the worker can be asked, by method name. */
export interface EngineMethods {
  sample(request: SampleRequest): Promise<SampleResult>;
  release(sequenceId: string): Promise<void>;
  /** bytes of every token, one character per byte; needed before a request has stop strings */
  setPieces(pieces: readonly string[]): Promise<void>;
  logprobs(batch: Batch): Promise<ForwardResult>;
  referenceLogprobs(batch: Batch): Promise<ForwardResult>;
  forwardBackward(batch: Batch, loss: LossSpec): Promise<ForwardResult & { loss: number }>;
  optimizerStep(options: AdamWOptions): Promise<{ gradientNorm: number }>;
  save(directory: string): Promise<void>;
  load(directory: string): Promise<void>;
  syncSampler(): Promise<void>;
  parameters(): Promise<HostParameters>;
  gradients(): Promise<HostParameters>;
  statistics(): Promise<EngineStatistics>;
  /** the accumulated gradient of all trained parameters, one after the other; the accumulator is zeroed */
  takeGradients(): Promise<Float32Array>;
  addGradients(gradients: Float32Array): Promise<void>;
  /** all trained parameters, one after the other */
  trainedWeights(): Promise<Float32Array>;
  setTrainedWeights(weights: Float32Array): Promise<void>;
}

export interface EngineStatistics {
  /** input shapes compiled so far, those that made way for others included */
  compilations: number;
  /** bytes allocated for keys and values */
  cacheBytes: number;
  /** sequences whose keys and values were dropped for want of memory, and computed again */
  evictions: number;
  /** optimizer steps done */
  step: number;
}

export type EngineMethod = keyof EngineMethods;

/** `call` and its `abort` share an id. */
export type EngineRequest =
  | { [M in EngineMethod]: { id: number; method: M; parameters: Parameters<EngineMethods[M]> } }[EngineMethod]
  | { id: number; method: 'abort' };

export type EngineReply =
  { id: number; value: unknown } | { id: number; error: { name: string; message: string; stack?: string } };

/** Sent once, when the engine is ready or could not be made. */
export const READY_ID = 0;
