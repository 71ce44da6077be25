/** Decoupled weight decay regularization: AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2). */

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

/**
 * One step over all entries, in place; the gradients are zeroed. `step` counts from 1 (bias correction).
 * A loop over plain arrays: memory bandwidth is the limit either way, and nothing is copied.
 * @returns the global norm before clipping
 * @throws if a gradient is not finite; parameters and moments are then untouched, the gradients zeroed.
 */
export function adamWStep(
  entries: readonly OptimizerEntry[],
  step: number,
  { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.1, gradientClip = 1 }: AdamWOptions,
): number {
  let squares = 0;
  for (const { gradient } of entries) squares += sumOfSquares(gradient);
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
    for (let i = 0; i < value.length; i++) {
      const g = (gradient[i] as number) * scale;
      const m = (mean[i] = beta1 * (mean[i] as number) + (1 - beta1) * g);
      const v = (variance[i] = beta2 * (variance[i] as number) + (1 - beta2) * g * g);
      value[i] = (value[i] as number) * keep - (rate * m) / (Math.sqrt(v) * correction + epsilon);
    }
    gradient.fill(0);
  }
  return norm;
}

function sumOfSquares(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) * (values[i] as number);
  return sum;
}
