import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import {
  forward,
  initializeLora,
  initializeParameters,
  loadAdapterDirectory,
  loraScaling,
  loraShapes,
  mergeLora,
  parseModelConfig,
  saveAdapterDirectory,
  tokenLogprobs,
  writeSafetensors,
  type HostParameters,
  type LoraConfig,
} from '@tapo/policy';

import { setTestBackend } from './backend.js';

const config = parseModelConfig({
  model_type: 'qwen2',
  vocab_size: 11,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
});
const parameters = initializeParameters(config, { seed: 3, embeddingStd: 0.5, linearStd: 'fan-in' });
const lora: LoraConfig = { rank: 4, alpha: 8, targets: ['q_proj', 'down_proj'], rsLora: false };

/** Fresh adapters with B filled, as training would. */
function trainedAdapter(loraConfig = lora): HostParameters {
  const adapter = initializeLora(config, loraConfig, { seed: 5 });
  for (const [name, { data }] of Object.entries(adapter)) {
    if (name.includes('lora_B')) data.forEach((_, i) => (data[i] = Math.sin(i)));
  }
  return adapter;
}

function tensors(host: HostParameters): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.entries(host).map(([name, { data, shape }]) => [name, tf.tensor(data, shape)]));
}

function hidden(host: HostParameters, adapter?: HostParameters, loraConfig = lora): Float32Array {
  return tf.tidy(() => {
    const tokens = tf.tensor2d([[1, 2, 3, 4]], undefined, 'int32');
    const options = adapter ? { lora: { parameters: tensors(adapter), scaling: loraScaling(loraConfig) } } : {};
    return forward(tensors(host), { tokens }, config, options).dataSync() as Float32Array;
  });
}

const largest = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);

let root: string;
beforeAll(setTestBackend);
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tapo-lora-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('adapters', () => {
  it('scale by α/r, or α/√r under rsLoRA', () => {
    expect(loraScaling(lora)).toBe(8 / 4);
    expect(loraScaling({ ...lora, rsLora: true })).toBe(8 / 2);
  });

  it('have PEFT’s names and shapes', () => {
    const shapes = loraShapes(config, lora);
    expect(Object.keys(shapes)).toHaveLength(2 * 2 * 2); // layers × targets × (A, B)
    expect(shapes['base_model.model.model.layers.1.mlp.down_proj.lora_A.weight']).toEqual([4, 24]);
    expect(shapes['base_model.model.model.layers.1.mlp.down_proj.lora_B.weight']).toEqual([16, 4]);
  });

  it('change nothing at first', () => {
    expect(hidden(parameters, initializeLora(config, lora))).toEqual(hidden(parameters));
  });

  it('give the same result merged as added', () => {
    const adapter = trainedAdapter();
    expect(largest(hidden(parameters, adapter), hidden(parameters))).toBeGreaterThan(0.1);
    const before = structuredClone(parameters);
    const merged = mergeLora(parameters, adapter, lora);
    expect(parameters).toEqual(before);
    expect(merged['model.norm.weight']).toBe(parameters['model.norm.weight']);
    expect(largest(hidden(parameters, adapter), hidden(merged))).toBeLessThan(2e-5);
  });

  it('receive gradients while the base gets none, without leaking tensors', () => {
    const base = tensors(parameters);
    const adapter = tensors(trainedAdapter());
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const tokens = tf.tensor2d([[1, 2, 3]], undefined, 'int32');
      const targets = tf.tensor2d([[2, 3, 4]], undefined, 'int32');
      const names = Object.keys(adapter);
      const loss = (...values: tf.Tensor[]) => {
        const current = Object.fromEntries(names.map((name, i) => [name, values[i] as tf.Tensor]));
        const options = { lora: { parameters: current, scaling: 2 } };
        return tf.sum<tf.Scalar>(tokenLogprobs(base, { tokens }, targets, config, options).logprobs);
      };
      const gradients = tf.grads(loss)(Object.values(adapter));
      for (const gradient of gradients) expect(tf.norm(gradient).dataSync()[0]).toBeGreaterThan(0);
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuse unknown targets and ranks', () => {
    expect(() => loraShapes(config, { ...lora, targets: ['lm_head' as 'q_proj'] })).toThrow(
      /lora.targets is \["lm_head"\]/,
    );
    expect(() => loraShapes(config, { ...lora, rank: 0 })).toThrow(/lora.rank is 0/);
  });
});

describe('adapter directories', () => {
  const model = { config, parameters };

  it('round-trip bit for bit', async () => {
    const directory = join(root, 'adapter');
    const rsLora = { ...lora, rsLora: true };
    const adapter = { config: rsLora, parameters: trainedAdapter(rsLora) };
    await saveAdapterDirectory(directory, adapter, { baseModel: 'org/base', base: parameters });
    expect(await loadAdapterDirectory(directory, model)).toEqual(adapter);
    const json = JSON.parse(await readFile(join(directory, 'adapter_config.json'), 'utf8'));
    expect(json).toMatchObject({
      peft_type: 'LORA',
      r: 4,
      lora_alpha: 8,
      use_rslora: true,
      base_model_name_or_path: 'org/base',
    });
  });

  it('name what does not fit', async () => {
    const directory = join(root, 'adapter');
    const adapter = { config: lora, parameters: trainedAdapter() };
    await saveAdapterDirectory(directory, adapter, { baseModel: 'org/base', base: parameters });
    const other = { config, parameters: initializeParameters(config, { seed: 4 }) };
    await expect(loadAdapterDirectory(directory, other)).rejects.toThrow(/trained on other base weights \(org\/base\)/);

    await saveAdapterDirectory(directory, adapter);
    await expect(loadAdapterDirectory(directory, other)).resolves.toEqual(adapter); // nothing to compare with
    const wider = parseModelConfig({
      model_type: 'llama',
      vocab_size: 11,
      hidden_size: 32,
      intermediate_size: 24,
      num_hidden_layers: 2,
      num_attention_heads: 4,
    });
    await expect(loadAdapterDirectory(directory, { config: wider, parameters: {} })).rejects.toThrow(
      /q_proj.lora_A.weight" has shape \[4, 16\].*ask for \[4, 32\]/,
    );
    const shallower = { ...config, numHiddenLayers: 1 };
    await expect(loadAdapterDirectory(directory, { config: shallower, parameters: {} })).rejects.toThrow(
      /layers.1.* belongs to no layer/,
    );

    const source = join(directory, 'adapter_config.json');
    const json = JSON.parse(await readFile(source, 'utf8'));
    await writeFile(source, JSON.stringify({ ...json, use_dora: true }));
    await expect(loadAdapterDirectory(directory, model)).rejects.toThrow(
      /"use_dora" is true, which is not implemented/,
    );
    await writeFile(source, JSON.stringify({ ...json, r: undefined }));
    await expect(loadAdapterDirectory(directory, model)).rejects.toThrow(/"r" is missing/);

    await writeFile(source, JSON.stringify(json));
    const { 'base_model.model.model.layers.0.mlp.down_proj.lora_B.weight': _, ...rest } = adapter.parameters;
    await writeSafetensors(join(directory, 'adapter_model.safetensors'), rest);
    await expect(loadAdapterDirectory(directory, model)).rejects.toThrow(/down_proj.lora_B.weight" is missing/);
  });
});
