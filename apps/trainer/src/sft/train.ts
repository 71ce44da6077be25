import { collate, countSampled } from '@tapo/core';
import type { Batch } from '@tapo/core';
import type { Learner } from '../learner.js';
import { scheduledLearningRate } from './config.js';
import type { SftConfig } from './config.js';
import type { ExampleSource, SftExample } from './examples.js';

export interface SftStep {
  step: number;
  /** weighted mean cross-entropy of the learned tokens, in nats */
  loss: number;
  gradientNorm: number;
  learningRate: number;
  /** tokens of the step, and those of them that are learned */
  tokens: number;
  learnedTokens: number;
  seconds: number;
}

export interface SftOptions {
  learner: Learner;
  examples: ExampleSource;
  padId: number;
  onStep?: (step: SftStep) => void | Promise<void>;
  /** asked after every step: true ends the training */
  stopRequested?: () => boolean;
}

/** Supervised fine-tuning: cross-entropy on the sampled parts of demonstrations, observations masked. @returns steps done */
export async function trainSft(config: SftConfig, options: SftOptions): Promise<number> {
  const { learner, examples, padId, onStep, stopRequested = () => false } = options;
  for (let step = 1; step <= config.steps; step++) {
    const started = performance.now();
    const rows = Array.from({ length: config.rowsPerStep }, () => examples((step - 1) / config.steps));
    const batch = weighRows(collate(rows, { padId }), rows);
    const learnedTokens = countSampled(batch);
    if (learnedTokens === 0) continue;
    const { loss } = await learner.forwardBackward(batch, { name: 'cross-entropy' });
    const { decayFrom: _, finalShare: __, warmupSteps: ___, ...adam } = config.optimizer;
    const learningRate = scheduledLearningRate(config, step);
    const { gradientNorm } = await learner.optimizerStep({ ...adam, learningRate });
    const tokens = batch.lengths.reduce((total, length) => total + length, 0);
    const seconds = (performance.now() - started) / 1000;
    await onStep?.({ step, loss, gradientNorm, learningRate, tokens, learnedTokens, seconds });
    if (stopRequested()) return step;
  }
  return config.steps;
}

/** Multiplies each row's weights by the example's, and divides by the sum: Σ weights stays 1. */
function weighRows(batch: Batch, rows: readonly SftExample[]): Batch {
  const weights = batch.weights.map((weight, i) => weight * (rows[Math.floor(i / batch.length)] as SftExample).weight);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return { ...batch, weights: total > 0 ? weights.map((weight) => weight / total) : weights };
}
