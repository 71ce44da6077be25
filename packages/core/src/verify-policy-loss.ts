import * as tf from '@tensorflow/tfjs-core';
import { groupAdvantages } from './advantages.js';
import type { AdvantageEstimator } from './advantages.js';
import { dapoLoss } from './dapo-loss.js';
import { dapoLossScalar, dapoMetrics } from './dapo-metrics.js';
import { klEstimate } from './kl.js';
import { lossWeights } from './loss-weights.js';
import type { LossAggregation } from './loss-weights.js';

/** One quantity compared over all cases of a file. */
export interface VerifiedQuantity {
  name: string;
  precision: 'float64' | 'float32';
  /** largest |got − expected| / max(largest |expected| of the quantity in its case, 0.001) */
  deviation: number;
  tolerance: number;
  /** case (from 0) where the largest deviation was seen */
  caseIndex: number;
  /** expected values that are NaN or infinite: not compared */
  skipped: number;
}

export interface PolicyLossVerification {
  cases: number;
  quantities: VerifiedQuantity[];
  passed: boolean;
}

interface GoldenCase {
  shape: [number, number];
  groups: number[];
  oldLogprobs: number[];
  newLogprobs: number[];
  responseMask: number[];
  scores: number[];
  clipLow: number;
  clipHigh: number;
  dualClip: number | null;
  lossAggregation: LossAggregation;
  expected: Record<string, number | number[]>;
}

const TOLERANCE = { float64: 1e-6, float32: 1e-4 };
const AGGREGATIONS = ['token-mean', 'seq-mean-token-sum', 'seq-mean-token-mean', 'seq-mean-token-sum-norm'];

/**
 * Checks this package against a file of golden numbers `{cases: [{shape: [B, T], groups, oldLogprobs, newLogprobs,
 * responseMask, scores, clipLow, clipHigh, dualClip, lossAggregation, expected}]}` (float64, row major): plain-number code
 * to 1e-6, the tfjs loss and its gradient on the present backend to 1e-4. The mask is used as given; `loss` uses the
 * GRPO advantages; the constant of `seq-mean-token-sum-norm` is T.
 *
 * @throws if the file is not of this form (the message names case and key), or tfjs has no backend or no gradients
 */
export function verifyPolicyLoss(contents: string): PolicyLossVerification {
  const cases = parseCases(contents);
  const quantities = new Map<string, VerifiedQuantity>();
  cases.forEach((golden, caseIndex) => {
    for (const [precision, computed] of [
      ['float64', computeFloat64(golden)],
      ['float32', computeFloat32(golden)],
    ] as const) {
      for (const [name, got] of Object.entries(computed)) {
        const quantity = quantities.get(`${name} ${precision}`) ?? {
          name,
          precision,
          deviation: 0,
          tolerance: TOLERANCE[precision],
          caseIndex: 0,
          skipped: 0,
        };
        const { deviation, skipped } = compare(got, [golden.expected[name] as number | number[]].flat());
        quantity.skipped += skipped;
        if (!(deviation <= quantity.deviation)) Object.assign(quantity, { deviation, caseIndex });
        quantities.set(`${name} ${precision}`, quantity);
      }
    }
  });
  const all = [...quantities.values()];
  return {
    cases: cases.length,
    quantities: all,
    passed: all.every((quantity) => quantity.deviation <= quantity.tolerance),
  };
}

function computeFloat64(golden: GoldenCase): Record<string, ArrayLike<number>> {
  const grpoAdvantages = advantages(golden, 'grpo');
  const columns = {
    lossMask: golden.responseMask,
    weights: weights(golden),
    advantages: grpoAdvantages,
    oldLogprobs: golden.oldLogprobs,
  };
  const { loss, gradient } = dapoLossScalar(columns, golden.newLogprobs, golden);
  const metrics = dapoMetrics(columns, golden.newLogprobs, golden);
  return {
    grpoAdvantages,
    rlooAdvantages: advantages(golden, 'rloo'),
    loss: [loss],
    clipFraction: [metrics.clipFraction],
    approxKl: [metrics.approxKl],
    lowerClipFraction: [metrics.lowerClipFraction],
    gradNewLogprobs: gradient,
    lowVarKl: golden.newLogprobs.map((logprob, i) => klEstimate(logprob, golden.oldLogprobs[i] as number, 'k3')),
  };
}

function computeFloat32(golden: GoldenCase): Record<string, ArrayLike<number>> {
  return tf.tidy(() => {
    const tensor = (values: ArrayLike<number>): tf.Tensor => tf.tensor(Float32Array.from(values), golden.shape);
    const constants = {
      oldLogprobs: tensor(golden.oldLogprobs),
      advantages: tensor(advantages(golden, 'grpo')),
      lossMask: tensor(golden.responseMask),
      weights: tensor(weights(golden)),
    };
    const lossOf = (logprobs: tf.Tensor): tf.Scalar => dapoLoss({ logprobs, ...constants }, golden);
    const { value, grad } = tf.valueAndGrad(lossOf)(tensor(golden.newLogprobs));
    return { loss: value.dataSync(), gradNewLogprobs: grad.dataSync() };
  });
}

/** advantage of each rollout spread over its tokens, 0 where masked */
function advantages({ groups, scores, responseMask, shape }: GoldenCase, estimator: AdvantageEstimator): number[] {
  const perRollout = scores.map(() => 0);
  for (const group of new Set(groups)) {
    const members = groups.flatMap((id, i) => (id === group ? [i] : []));
    const values = groupAdvantages(
      members.map((i) => scores[i] as number),
      { estimator },
    );
    members.forEach((member, i) => (perRollout[member] = values[i] as number));
  }
  return responseMask.map((mask, i) => mask * (perRollout[Math.floor(i / shape[1])] as number));
}

function weights({ shape: [rows, length], responseMask, lossAggregation }: GoldenCase): number[] {
  const counts = Array.from({ length: rows }, (_, r) =>
    responseMask.slice(r * length, (r + 1) * length).reduce((sum, mask) => sum + mask, 0),
  );
  const { perToken } = lossWeights(counts, { aggregation: lossAggregation, normalizer: length });
  return responseMask.map((mask, i) => mask * (perToken[Math.floor(i / length)] as number));
}

function compare(got: ArrayLike<number>, expected: readonly number[]): { deviation: number; skipped: number } {
  if (got.length !== expected.length) return { deviation: Infinity, skipped: 0 };
  const finite = expected.filter(Number.isFinite);
  const scale = finite.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  let deviation = 0;
  expected.forEach((value, i) => {
    const gap = Number.isFinite(value) ? Math.abs((got[i] as number) - value) / scale : 0;
    deviation = Number.isNaN(gap) ? Infinity : Math.max(deviation, gap);
  });
  return { deviation, skipped: expected.length - finite.length };
}

function parseCases(contents: string): GoldenCase[] {
  // Python writes NaN and Infinity bare, which is not JSON
  const json = contents.replace(/(?<=[[:,\s])-?(NaN|Infinity)(?=[\s,\]}])/g, 'null');
  const { cases } = JSON.parse(json) as { cases?: unknown };
  if (!Array.isArray(cases) || cases.length === 0)
    throw new Error('Golden file: wanted {"cases": [...]} with at least one case.');
  return cases.map(checkedCase);
}

function checkedCase(value: unknown, index: number): GoldenCase {
  const fail = (key: string, wanted: string): never => {
    throw new Error(`Golden file: case ${index}: ${key}: wanted ${wanted}.`);
  };
  if (typeof value !== 'object' || value === null) fail('the case', 'an object');
  const golden = value as GoldenCase;
  const numbers = (key: string, list: unknown, length?: number): void => {
    const valid = Array.isArray(list) && list.every((item) => typeof item === 'number');
    if (!valid || (length !== undefined && list.length !== length)) fail(key, `${length ?? 'an array of'} numbers`);
  };
  numbers('shape', golden.shape, 2);
  const [rows, length] = golden.shape;
  for (const key of ['groups', 'scores'] as const) numbers(key, golden[key], rows);
  for (const key of ['oldLogprobs', 'newLogprobs', 'responseMask'] as const) numbers(key, golden[key], rows * length);
  for (const key of ['clipLow', 'clipHigh', 'dualClip'] as const) {
    if (typeof golden[key] !== 'number' && !(key === 'dualClip' && golden[key] === null)) fail(key, 'a number');
  }
  if (!AGGREGATIONS.includes(golden.lossAggregation)) fail('lossAggregation', `one of ${AGGREGATIONS.join(', ')}`);
  for (const key of ['grpoAdvantages', 'rlooAdvantages', 'gradNewLogprobs', 'lowVarKl']) {
    if (!Array.isArray(golden.expected?.[key])) fail(`expected.${key}`, `${rows * length} numbers`);
  }
  for (const key of ['loss', 'clipFraction', 'approxKl', 'lowerClipFraction']) {
    if (golden.expected?.[key] === undefined) fail(`expected.${key}`, 'a number');
  }
  return golden;
}
