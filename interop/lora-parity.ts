/**
 * Adapters and merged models against PEFT, in both directions:
 *
 *     node --import tsx --conditions=tapo-source interop/lora-parity.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';

import {
  forward,
  initializeLora,
  loadAdapterDirectory,
  loadModelDirectory,
  logits,
  loraScaling,
  mergeLora,
  saveAdapterDirectory,
  saveModelDirectory,
  type HostParameters,
  type LoraAdapter,
  type LoraConfig,
  type Model,
} from '@tapo/policy';

import { largestDifference, report, runPython } from './python.js';

const tokens = [[3, 14, 15, 9, 26, 5, 35, 8]];

function tensors(host: HostParameters): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.entries(host).map(([name, { data, shape }]) => [name, tf.tensor(data, shape)]));
}

function modelLogits({ config, parameters }: Model, adapter?: LoraAdapter): Float32Array {
  return tf.tidy(() => {
    const lora = adapter && { parameters: tensors(adapter.parameters), scaling: loraScaling(adapter.config) };
    const weights = tensors(parameters);
    const hidden = forward(weights, { tokens: tf.tensor2d(tokens, undefined, 'int32') }, config, { lora });
    return logits(weights, hidden, config).dataSync() as Float32Array;
  });
}

const allLinear: LoraConfig['targets'] = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];
const cases: [fixture: string, config: LoraConfig][] = [
  ['qwen2-gqa-tied', { rank: 4, alpha: 8, targets: allLinear, rsLora: false }],
  ['llama3-scaled-biases', { rank: 8, alpha: 16, targets: allLinear, rsLora: true }],
  ['qwen3-tied', { rank: 2, alpha: 4, targets: ['q_proj', 'v_proj'], rsLora: false }],
];

await tf.setBackend('cpu');
const root = await mkdtemp(join(tmpdir(), 'tapo-interop-'));
for (const [fixture, config] of cases) {
  const base = fileURLToPath(new URL(`../packages/policy/test/fixtures/${fixture}`, import.meta.url));
  const model = await loadModelDirectory(base);
  const adapter: LoraAdapter = { config, parameters: initializeLora(model.config, config, { seed: 1 }) };
  for (const [name, { data }] of Object.entries(adapter.parameters)) {
    if (name.includes('lora_B')) data.forEach((_, i) => (data[i] = 0.2 * Math.sin(i)));
  }
  const [ours, merged, theirs] = ['adapter', 'merged', 'peft'].map((name) => join(root, fixture, name)) as [
    string,
    string,
    string,
  ];
  await saveAdapterDirectory(ours, adapter, { baseModel: base, base: model.parameters });
  const mergedModel = { config: model.config, parameters: mergeLora(model.parameters, adapter.parameters, config) };
  await saveModelDirectory(merged, mergedModel, { companionsFrom: base });

  const python = runPython('lora_parity.py', [base, ours, merged, theirs, JSON.stringify(tokens)]) as {
    adapter: number[];
    merged: number[];
    created: number[];
  };
  report(`${fixture}: our adapter in PEFT`, largestDifference(modelLogits(model, adapter), python.adapter), 1e-4);
  report(
    `${fixture}: our merged model in transformers`,
    largestDifference(modelLogits(mergedModel), python.merged),
    1e-4,
  );
  report(
    `${fixture}: merged against adapter, both ours`,
    largestDifference(modelLogits(model, adapter), modelLogits(mergedModel)),
    1e-4,
  );
  const created = await loadAdapterDirectory(theirs, model);
  report(`${fixture}: PEFT's adapter here`, largestDifference(modelLogits(model, created), python.created), 1e-4);
}
await rm(root, { recursive: true });
