import type { DapoLossOptions } from '@tapo/core';
import type { OptimizerStepOptions } from '../learner.js';
import type { ResolvedConfig } from './schema.js';

/** The part of `loss` that the learner needs. */
export function lossOptions({ loss }: ResolvedConfig): DapoLossOptions {
  const { advantages: _, aggregation: __, callEfficiency: ___, oldLogprobs: ____, ...options } = loss;
  return options;
}

/** A group is trained on while its sampler's weights are at most this many steps old. */
export function stalenessLimit({ overlap }: Pick<ResolvedConfig, 'overlap'>): number {
  return overlap.maxStaleness ?? (overlap.steps === 0 ? Infinity : overlap.steps + 1);
}

/** Optimizer options of update `count` (from 1): linear warm-up, then constant. */
export function stepOptions(
  { optimizer }: ResolvedConfig,
  count: number,
): OptimizerStepOptions & { learningRate: number } {
  const { learningRate, warmupSteps, beta1, beta2, epsilon, weightDecay, gradientClip } = optimizer;
  const warmup = Math.min(1, count / Math.max(1, warmupSteps));
  return { learningRate: learningRate * warmup, beta1, beta2, epsilon, weightDecay, gradientClip };
}
