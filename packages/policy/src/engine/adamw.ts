/** Decoupled weight decay regularization: AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2). */
import { BLOCK, CHUNK, createAdamWKernel, type AdamWKernel } from './adamw-kernel.js';

/** One parameter and what the optimizer keeps for it; all arrays of one length. */
export interface OptimizerEntry {
  value: Float32Array;
  gradient: Float32Array;
  /** first and second moment */
  mean: Float32Array;
  variance: Float32Array;
  /** weight decay applies: matrices, not biases and norms */
  decay: boolean;
}

export interface AdamWOptions {
  learningRate: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  weightDecay?: number;
  /** global L2 norm; `null` = off */
  gradientClip?: number | null;
}

let kernel: AdamWKernel | undefined;

/**
 * One step over all entries, in place; the gradients are zeroed. `step` counts from 1 (bias correction). In float32, as
 * PyTorch does it, and in one pass: chunks small enough for a core's cache are copied to the kernel's memory and back.
 * @returns the global norm before clipping
 * @throws if a gradient is not finite; parameters and moments are then untouched, the gradients zeroed.
 */
export function adamWStep(
  entries: readonly OptimizerEntry[],
  step: number,
  { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.1, gradientClip = 1 }: AdamWOptions,
): number {
  kernel ??= createAdamWKernel();
  const { memory } = kernel;
  let squares = 0;
  for (const { gradient } of entries) squares += sumOfSquares(gradient, kernel);
  const norm = Math.sqrt(squares);
  if (!Number.isFinite(norm)) {
    for (const { gradient } of entries) gradient.fill(0);
    throw new Error(
      `the gradient norm is ${norm}: the step was skipped and the gradient dropped. Lower the learning rate.`,
    );
  }
  const scale = gradientClip !== null && norm > gradientClip ? gradientClip / norm : 1;
  const rate = learningRate / (1 - beta1 ** step);
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  for (const { value, gradient, mean, variance, decay } of entries) {
    const keep = decay ? 1 - learningRate * weightDecay : 1;
    for (let start = 0; start < value.length; start += CHUNK) {
      const end = Math.min(start + CHUNK, value.length);
      const load = (source: Float32Array, block: number) => memory.set(source.subarray(start, end), block);
      const store = (target: Float32Array, block: number) =>
        target.set(memory.subarray(block, block + end - start), start);
      load(value, BLOCK.value);
      load(gradient, BLOCK.gradient);
      load(mean, BLOCK.mean);
      load(variance, BLOCK.variance);
      kernel.step(paddedBytes(end - start), scale, beta1, beta2, rate, correction, epsilon, keep);
      store(value, BLOCK.value);
      store(mean, BLOCK.mean);
      store(variance, BLOCK.variance);
    }
    gradient.fill(0);
  }
  return norm;
}

function sumOfSquares(values: Float32Array, { memory, squares }: AdamWKernel): number {
  let sum = 0;
  for (let start = 0; start < values.length; start += CHUNK) {
    const part = values.subarray(start, start + CHUNK);
    memory.set(part);
    memory.fill(0, part.length, Math.ceil(part.length / 4) * 4);
    sum += squares(paddedBytes(part.length));
  }
  return sum;
}

/** The kernel computes four numbers at a time; what it makes of the padding is not read. */
function paddedBytes(count: number): number {
  return Math.ceil(count / 4) * 16;
}
