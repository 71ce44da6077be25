/** Defaults that follow from a model's size and the machine's memory. */
import { totalmem } from 'node:os';

import type { ModelConfig } from '../config.js';
import { parameterCount } from '../parameters.js';
import { cacheGeometry, positionBytes } from './kv-geometry.js';

export interface MemoryBudget {
  /** padded positions of a micro-batch */
  microBatchTokens: number;
  /** bytes of the sampler's KV cache */
  maxCacheBytes: number;
  /** bytes that compiled functions keep between runs */
  maxArenaBytes: number;
  /** rows decoded at once */
  maxRows: number;
}

/** Larger micro-batches were not faster (tiny models, one and two threads), only larger. */
const MOST_TOKENS = 2048;
/**
 * Logits of a micro-batch, the limit up to which they are kept for the backward pass and not computed twice; but 512 rows fill the matrix
 * kernels, whatever the vocabulary (135M parameters, 4 × 256 tokens: 6.1 s in two micro-batches, 6.3 s in one).
 */
const MOST_LOGITS = 2 ** 25;
const FULL_ROWS = 512;
/** More rows at once spread the fixed cost of a step (0.25 of 0.5 ms at 32 rows); beyond 64 hardly any of it is left. */
const MOST_ROWS = 64;
/** Length of sequence that a full block of rows should still have room for. */
const USUAL_POSITIONS = 1024;

export interface MemoryBudgetOptions {
  gradientCheckpointing?: boolean;
  /** of the machine */
  memoryBytes?: number;
}

export function memoryBudget(
  config: ModelConfig,
  { gradientCheckpointing = false, memoryBytes = totalmem() }: MemoryBudgetOptions = {},
): MemoryBudget {
  const maxCacheBytes = Math.floor(memoryBytes / 4);
  const rowBytes = positionBytes(cacheGeometry(config)) * USUAL_POSITIONS;
  let maxRows = MOST_ROWS;
  while (maxRows > 4 && maxRows * rowBytes > maxCacheBytes / 2) maxRows /= 2;
  const tokens = Math.floor(memoryBytes / 12 / activationBytes(config, gradientCheckpointing));
  const most = Math.min(MOST_TOKENS, Math.max(FULL_ROWS, Math.floor(MOST_LOGITS / config.vocabSize)));
  const maxArenaBytes = Math.floor(memoryBytes / 16);
  return { maxCacheBytes, maxArenaBytes, maxRows, microBatchTokens: Math.max(32, Math.min(most, tokens)) };
}

/** Below this, operations are too small to be shared between threads with profit. */
const SMALL_MODEL_PARAMETERS = 4e6;

/** Workers of a compiled engine on so many threads: one each for a small model, else one with all of them. */
export function workerCount(config: ModelConfig, threads: number): number {
  return parameterCount(config) < SMALL_MODEL_PARAMETERS ? threads : 1;
}

/** Up to this size several steps a run were measured, and pay. */
const SEVERAL_STEPS_PARAMETERS = 10e6;

/**
 * Decoding steps of one run of the compiled sampler. A run of a small model costs about a quarter of a step beside its steps: 32 rows of
 * 0.1M parameters took 54 ms for a hundred tokens one by one, 45 by fours, 56 by eights; 64 rows of 10M 1413 ms one by one, 1326 by
 * fours. Large models would only take longer to compile.
 */
export function stepsPerRun(config: ModelConfig): number {
  return parameterCount(config) < SEVERAL_STEPS_PARAMETERS ? 4 : 1;
}

/**
 * Rough bytes per position that a backward pass keeps: what each layer's operations put out, scores over 256 positions, and the
 * logits; with checkpointing one layer's, and the input of each.
 */
export function activationBytes(config: ModelConfig, gradientCheckpointing: boolean): number {
  const { numHiddenLayers, hiddenSize, intermediateSize, numAttentionHeads, headDim, vocabSize } = config;
  const layer = 8 * hiddenSize + 8 * numAttentionHeads * headDim + 5 * intermediateSize + 3 * numAttentionHeads * 256;
  const layers = gradientCheckpointing ? layer + numHiddenLayers * hiddenSize : numHiddenLayers * layer;
  return 4 * (layers + 4 * vocabSize);
}
