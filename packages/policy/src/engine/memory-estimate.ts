/** What the local engine will need, before a weight is read. Checked against measured peaks: bench/memory-estimate.ts. */
import { availableParallelism } from 'node:os';

import type { ModelConfig } from '../config.js';
import { loraShapes, type LoraConfig } from '../lora.js';
import { parameterCount } from '../parameters.js';
import { cacheColumns } from './ladder.js';
import { cacheGeometry, positionBytes } from './kv-geometry.js';
import { activationBytes, memoryBudget, workerCount } from './memory-budget.js';

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
  /** tokens that training computes at once, in each worker */
  microBatchTokens: number;
}

/** Node, tfjs-core and ONNX Runtime; what they take again in each further worker. */
const PROCESS_BYTES = 190e6;
const WORKER_BYTES = 80e6;
/** The rest of tfjs, for its gradients, in each worker that trains. */
const GRADIENT_CODE_BYTES = 70e6;
/** Compiled graphs of training and their scratch. */
const GRAPH_BYTES = 100e6;
/** Those of sampling, and what each layer adds for each capacity of the cache. */
const SAMPLING_GRAPH_BYTES = 80e6;
const LAYER_GRAPH_BYTES = 3e6;

/** `activationBytes` is what chooses micro-batches, which need not be exact; so much of it was measured. */
const ACTIVATIONS_KEPT = { all: 0.7, checkpointed: 1.2 };

/**
 * - weights: once, when they are handed over to the engine (`transferParameters`, as `tapo` does), and once more in each further worker;
 * - sampling: keys and values, as much again while a cache grows, and a compiled graph for each of its capacities;
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
  const graphs = workers * LAYER_GRAPH_BYTES * config.numHiddenLayers * capacitiesUpTo(length);
  const sampling = process + weights + 2 * keyValueCache + SAMPLING_GRAPH_BYTES + graphs;

  const tokens = Math.min(rows * length, microBatchTokens);
  const everywhere = Math.min(rows * length, workers * microBatchTokens);
  const kept = ACTIVATIONS_KEPT[gradientCheckpointing ? 'checkpointed' : 'all'];
  const activations = kept * everywhere * activationBytes(config, gradientCheckpointing);
  const training = process + workers * GRADIENT_CODE_BYTES + weights + activations + GRAPH_BYTES;
  const loraParameters = Object.values(loraShapes(config, lora)).reduce((sum, [a = 1, b = 1]) => sum + a * b, 0);
  return {
    weights,
    keyValueCache,
    sampling,
    loraTraining: training + 16 * loraParameters,
    fullTraining: training + 3 * weights,
    loraParameters,
    microBatchTokens: tokens,
  };
}

/** Capacities that a sequence's cache goes through until it holds `length`. */
function capacitiesUpTo(length: number): number {
  let count = 1;
  for (let columns = cacheColumns(1); columns <= length; columns = cacheColumns(columns)) count++;
  return count;
}
