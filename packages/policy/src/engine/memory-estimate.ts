/** What the local engine will need, before a weight is read. Checked against measured peaks: bench/memory-estimate.ts. */
import { availableParallelism } from 'node:os';

import type { ModelConfig } from '../config.js';
import { loraShapes, type LoraConfig } from '../lora.js';
import { parameterCount } from '../parameters.js';
import { activationBytes, cacheGeometry, memoryBudget, positionBytes, workerCount } from './memory-budget.js';

export interface EstimateMemoryOptions {
  /** sequences sampled or trained on at once */
  rows?: number;
  /** tokens of each */
  length?: number;
  lora?: Pick<LoraConfig, 'rank' | 'targets'>;
  gradientCheckpointing?: boolean;
  /** default: as the engine chooses, for the model and this machine */
  microBatchTokens?: number;
  threads?: number;
}

/** Peaks of the whole process, in bytes. */
export interface MemoryEstimate {
  /** all weights as float32 */
  weights: number;
  /** keys and values of all rows */
  keyValueCache: number;
  sampling: number;
  loraTraining: number;
  fullTraining: number;
  /** scalars of the adapter */
  loraParameters: number;
  /** tokens that training computes at once */
  microBatchTokens: number;
}

/** Node, tfjs and ONNX Runtime; what they take again in each further worker. */
const PROCESS_BYTES = 260e6;
const WORKER_BYTES = 150e6;
/** Compiled graphs of a function and their scratch. */
const GRAPH_BYTES = 100e6;

/** `activationBytes` is what chooses micro-batches, and careful; so much of it was measured. */
const ACTIVATIONS_KEPT = 0.7;

/**
 * - weights: thrice while the worker receives its copy, then twice until the caller's is collected;
 * - sampling: keys and values, and as much again while a cache grows;
 * - training: gradient and two moments of what is trained, what the backward pass keeps of a micro-batch, and its logits.
 */
export function estimateMemory(
  config: ModelConfig,
  {
    rows = 8,
    length = 512,
    lora = { rank: 16, targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] },
    gradientCheckpointing = false,
    microBatchTokens = memoryBudget(config, { gradientCheckpointing }).microBatchTokens,
    threads = Math.min(8, availableParallelism()),
  }: EstimateMemoryOptions = {},
): MemoryEstimate {
  const workers = workerCount(config, threads);
  const weights = 4 * parameterCount(config);
  const process = PROCESS_BYTES + (workers - 1) * (WORKER_BYTES + weights);
  const keyValueCache = rows * length * positionBytes(cacheGeometry(config));
  const start = process + 3 * weights;
  const sampling = start + 2 * keyValueCache + GRAPH_BYTES;

  const tokens = Math.min(rows * length, microBatchTokens);
  const activations = ACTIVATIONS_KEPT * tokens * activationBytes(config, gradientCheckpointing);
  const training = process + 2 * weights + activations + GRAPH_BYTES;
  const loraParameters = Object.values(loraShapes(config, lora)).reduce((sum, [a = 1, b = 1]) => sum + a * b, 0);
  return {
    weights,
    keyValueCache,
    sampling,
    loraTraining: Math.max(start, training + 16 * loraParameters),
    fullTraining: Math.max(start, training + 3 * weights),
    loraParameters,
    microBatchTokens: tokens,
  };
}
