/** Checks this package's model against numbers that another implementation (PyTorch with transformers) computed. */
import { readFile } from 'node:fs/promises';

import * as tf from '@tensorflow/tfjs-core';

import { loadModelDirectory } from './checkpoint-files.js';
import { chooseBackend, type ChooseBackendOptions } from './engine/backend.js';
import { parseJson } from './json-file.js';
import { floats, ints, type HostTensor } from './engine/runner.js';
import { createRunner, loadGradients } from './engine/tfjs-backend.js';
import { loadGguf } from './gguf/read.js';
import type { ModelConfig } from './config.js';
import { forward, logits, type ModelParameters } from './model.js';

/** Deviations of one model from its golden numbers. */
export interface ModelVerification {
  /** largest absolute difference of a logit */
  logits: { deviation: number; tolerance: number };
  /** absolute difference of the mean cross-entropy; informative */
  lossDeviation: number;
  /** per weight: relative difference of the norm, and of the listed entries against the largest of them (vanishing ones: see `scales`) */
  gradients: { name: string; normDeviation: number; valueDeviation: number }[];
  /** the largest of all gradient deviations */
  worstGradient: { name: string; deviation: number; tolerance: number };
  passed: boolean;
}

export interface VerifyModelOptions extends ChooseBackendOptions {
  threads?: number;
}

interface ExpectedGradient {
  shape: number[];
  norm: number;
  values: number[];
}

interface GoldenModel {
  tokens: number[][];
  logits: number[][][];
  loss: number;
  gradients: Record<string, ExpectedGradient>;
  tolerance: { logits: number; gradients: number };
}

/**
 * Runs `model` (a directory or a .gguf file) on the tokens of `file` and compares logits `[B, T, V]`, and the gradient of the mean cross-entropy of tokens 1…T−1
 * for each weight the file names. `file` is JSON: `{tokens, logits, loss, gradients: {name: {shape, norm, values}}, tolerance: {logits, gradients}}`.
 * @throws for unreadable or malformed input; deviations beyond the tolerance are reported, not thrown
 */
export async function verifyModel(
  model: string,
  file: string,
  { backend = 'auto', threads = 1 }: VerifyModelOptions = {},
): Promise<ModelVerification> {
  const golden = await readGolden(file);
  const { config, parameters } = await (/\.gguf$/i.test(model) ? loadGguf(model) : loadModelDirectory(model));
  const unknown = Object.keys(golden.gradients).find((name) => !parameters[name]);
  if (unknown) throw new Error(`${file}: "gradients" names "${unknown}", which the model in ${model} does not have`);
  for (const [name, { shape }] of Object.entries(golden.gradients)) {
    const found = parameters[name]?.shape ?? [];
    if (found.join() === shape.join()) continue;
    throw new Error(
      `${file}: the gradient of "${name}" has shape [${shape.join(', ')}], in ${model} the weight has [${found.join(', ')}]`,
    );
  }
  const scores = golden.logits[0]?.[0]?.length ?? 0;
  if (scores !== config.vocabSize)
    throw new Error(`${file}: "logits" hold ${scores} a token, the vocabulary of ${model} has ${config.vocabSize}`);
  const outside = golden.tokens.flat().find((token) => token < 0 || token >= config.vocabSize);
  if (outside !== undefined)
    throw new Error(`${file}: "tokens" holds ${outside}, the model in ${model} has ${config.vocabSize} tokens`);
  const batch = golden.tokens.length;
  const length = golden.tokens[0]?.length ?? 0;
  const inputs: Record<string, HostTensor> = { tokens: ints(Int32Array.from(golden.tokens.flat()), [batch, length]) };
  for (const [name, { data, shape }] of Object.entries(parameters)) inputs[name] = floats(data, shape);

  const runner = await createRunner((await chooseBackend({ backend })).backend, threads);
  await loadGradients();
  const prepared = runner.prepare((tensors) => lossAndGradients(tensors, config), { name: 'verify-model' });
  try {
    return compare(await prepared.run(inputs), golden);
  } finally {
    await prepared.dispose();
  }
}

/** `logits [B, T, V]`, the scalar `loss`, and the gradient of every parameter under its own name. */
function lossAndGradients(
  { tokens, ...parameters }: Record<string, tf.Tensor>,
  config: ModelConfig,
): Record<string, tf.Tensor> {
  const names = Object.keys(parameters);
  const [batch, length] = (tokens as tf.Tensor).shape as [number, number];
  let scores: tf.Tensor | undefined;
  const loss = (...values: tf.Tensor[]): tf.Scalar => {
    const current: ModelParameters = Object.fromEntries(names.map((name, i) => [name, values[i] as tf.Tensor]));
    scores = tf.keep(logits(current, forward(current, { tokens: tokens as tf.Tensor }, config), config));
    const predictions = tf.slice(scores, [0, 0, 0], [batch, length - 1, config.vocabSize]);
    const targets = tf.oneHot(
      tf.slice(tokens as tf.Tensor, [0, 1], [batch, length - 1]),
      config.vocabSize,
      1,
      0,
      'float32',
    );
    return tf.neg(tf.div<tf.Scalar>(tf.sum(tf.mul(tf.logSoftmax(predictions), targets)), batch * (length - 1)));
  };
  const { value, grads } = tf.valueAndGrads(loss)(Object.values(parameters));
  const kept = scores as unknown as tf.Tensor; // assigned while the loss ran
  const outputs: Record<string, tf.Tensor> = { logits: tf.clone(kept), loss: value };
  kept.dispose();
  names.forEach((name, i) => (outputs[name] = grads[i] as tf.Tensor));
  return outputs;
}

function compare(results: Record<string, HostTensor>, golden: GoldenModel): ModelVerification {
  const data = (name: string) => results[name]?.data as Float32Array;
  const logitDeviation = largestDifference(data('logits'), golden.logits.flat(2));
  const largestNorm = Math.max(0, ...Object.values(golden.gradients).map(({ norm }) => norm));
  const gradients = Object.entries(golden.gradients).map(([name, { norm, values }]) => {
    const actual = data(name);
    const actualNorm = Math.sqrt(actual.reduce((sum, value) => sum + value * value, 0));
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const [normScale, valueScale] = scales(norm, largest, largestNorm);
    return {
      name,
      normDeviation: relative(Math.abs(actualNorm - norm), normScale),
      valueDeviation: relative(largestDifference(actual.subarray(0, values.length), values), valueScale),
    };
  });
  const worst = { name: '', deviation: 0, tolerance: golden.tolerance.gradients };
  for (const { name, normDeviation, valueDeviation } of gradients) {
    const deviation = larger(normDeviation, valueDeviation);
    if (!(deviation <= worst.deviation)) Object.assign(worst, { name, deviation });
  }
  return {
    logits: { deviation: logitDeviation, tolerance: golden.tolerance.logits },
    lossDeviation: Math.abs((data('loss')[0] as number) - golden.loss),
    gradients,
    worstGradient: worst,
    passed: logitDeviation <= golden.tolerance.logits && worst.deviation <= golden.tolerance.gradients,
  };
}

/** NaN wins over every number, so that it cannot pass for a small deviation. */
function larger(a: number, b: number): number {
  return Number.isNaN(a) || a > b ? a : b;
}

function largestDifference(actual: ArrayLike<number>, expected: number[]): number {
  if (actual.length !== expected.length) return Infinity;
  return expected.reduce((most, value, i) => larger(Math.abs((actual[i] as number) - value), most), 0);
}

/**
 * What differences of norm and values are relative to: the norm and the largest value. But where these vanish (under 1e-6 of the largest
 * norm of all, or of their own), as the gradient of a query does that has one position to attend to, both sides hold rounding
 * errors only: then 1e-3 of what they vanish beside.
 */
function scales(norm: number, largest: number, largestNorm: number): [norm: number, value: number] {
  if (norm <= 1e-6 * largestNorm) return [1e-3 * largestNorm, 1e-3 * largestNorm];
  return [norm, largest <= 1e-6 * norm ? 1e-3 * norm : largest];
}

function relative(difference: number, scale: number): number {
  return difference === 0 ? 0 : difference / scale;
}

async function readGolden(file: string): Promise<GoldenModel> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${file}: cannot read (${cause.code})`, { cause });
  });
  const golden = parseJson(text, file) as Partial<GoldenModel>;
  const wanted: [keyof GoldenModel, boolean, string][] = [
    ['tokens', isTable(golden.tokens), 'int[B][T], rows of equal length'],
    ['logits', isLogits(golden.logits, golden.tokens), 'number[B][T][V] of the same B and T as tokens'],
    ['loss', typeof golden.loss === 'number', 'a number'],
    [
      'gradients',
      isObject(golden.gradients) && Object.values(golden.gradients).every(isGradient),
      '{weight name: {shape: int[], norm: number, values: number[]}}',
    ],
    [
      'tolerance',
      typeof golden.tolerance?.logits === 'number' && typeof golden.tolerance.gradients === 'number',
      '{logits: number, gradients: number}',
    ],
  ];
  for (const [key, valid, expectation] of wanted) {
    if (!valid) throw new Error(`${file}: "${key}" is missing or malformed, wanted ${expectation}`);
  }
  return golden as GoldenModel;
}

function isTable(rows: unknown): boolean {
  if (!Array.isArray(rows) || rows.length === 0) return false;
  const [first] = rows as unknown[][];
  return rows.every((row) => Array.isArray(row) && row.length === first?.length && row.every(Number.isInteger));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isLogits(logits: unknown, tokens: unknown): boolean {
  if (!Array.isArray(logits) || !Array.isArray(tokens) || logits.length !== tokens.length) return false;
  return logits.every(
    (row, i) => Array.isArray(row) && row.length === (tokens[i] as unknown[]).length && row.every(isNumbers),
  );
}

function isGradient(gradient: unknown): boolean {
  if (!isObject(gradient)) return false;
  const { shape, norm, values } = gradient;
  return isNumbers(shape) && typeof norm === 'number' && isNumbers(values);
}

function isNumbers(list: unknown): boolean {
  return Array.isArray(list) && list.every((value) => typeof value === 'number');
}
