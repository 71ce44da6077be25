import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';

import { decodeStep, type KvCache, loadGguf, loadModelDirectory, saveModelDirectory, verifyModel } from '@tapo/policy';

import { engineBackend, setTestBackend } from './backend.js';

// Made by interop/make_model_fixtures.py with PyTorch and transformers.
const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));
const models = [
  'llama-tied',
  'llama3-scaled-biases',
  'qwen2-gqa-tied',
  'qwen2-untied',
  'qwen3-tied',
  'qwen3-untied-linear',
];

beforeAll(setTestBackend);

it('covers every fixture', async () => {
  expect((await readdir(fixtures)).toSorted()).toEqual(['gguf', ...models]);
});

describe.each(models)('%s agrees with transformers', (model) => {
  const directory = join(fixtures, model);
  const numbers = join(directory, 'numbers.json');

  it.each(['cpu', engineBackend] as const)(
    'in logits to 1e-4 and every gradient to 1e-3, on backend %s',
    async (backend) => {
      const before = tf.memory().numTensors;
      const result = await verifyModel(directory, numbers, { backend });
      expect(tf.memory().numTensors).toBe(before);
      const { parameters } = await loadModelDirectory(directory);
      expect(result.gradients.map(({ name }) => name).toSorted()).toEqual(Object.keys(parameters).toSorted());
      expect(result.logits.deviation).toBeLessThan(1e-4);
      expect(result.worstGradient.deviation).toBeLessThan(1e-3);
      expect(result.lossDeviation).toBeLessThan(1e-5);
      expect(result.passed).toBe(true);
    },
  );

  it('in 64 greedy tokens, decoded one by one over the cache', async () => {
    const { greedy } = JSON.parse(await readFile(numbers, 'utf8')) as {
      greedy: { prompt: number[]; tokens: number[] };
    };
    const { config, parameters } = await loadModelDirectory(directory);
    const before = tf.memory().numTensors;
    const decoded = tf.tidy(() => {
      const weights = Object.fromEntries(
        Object.entries(parameters).map(([name, { data, shape }]) => [name, tf.tensor(data, shape)]),
      );
      const shape = [1, config.numKeyValueHeads, 80, config.headDim];
      const layers = () => Array.from({ length: config.numHiddenLayers }, () => tf.zeros(shape));
      let cache: KvCache = { keys: layers(), values: layers() };
      const sequence = [...greedy.prompt];
      for (let position = 0; position < greedy.prompt.length + 63; position++) {
        const lengths = tf.tensor1d([position], 'int32');
        const tokens = tf.tensor1d([sequence[position] as number], 'int32');
        const step = decodeStep(weights, { tokens, lengths, cache }, config);
        cache = step.cache;
        if (position >= greedy.prompt.length - 1) sequence.push(tf.argMax(step.logits, -1).dataSync()[0] as number);
      }
      return sequence.slice(greedy.prompt.length);
    });
    expect(decoded).toEqual(greedy.tokens);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('verifyModel', () => {
  const directory = join(fixtures, 'qwen2-gqa-tied');

  it.each([
    ['tokens', undefined, 'int[B][T], rows of equal length'],
    ['logits', undefined, 'number[B][T][V] of the same B and T as tokens'],
    ['logits', [[[1, 2]]], 'number[B][T][V] of the same B and T as tokens'],
    ['loss', '1', 'a number'],
    ['gradients', undefined, '{weight name: {shape: int[], norm: number, values: number[]}}'],
    ['gradients', { 'model.norm.weight': { shape: [32], norm: 1 } }, '{weight name: {shape'],
    ['tolerance', { logits: 1e-4 }, '{logits: number, gradients: number}'],
  ])('names what is missing or malformed in the golden numbers: %s %j', async (key, value, wanted) => {
    const file = join(await mkdtemp(join(tmpdir(), 'tapo-verify-')), 'numbers.json');
    const golden = JSON.parse(await readFile(join(directory, 'numbers.json'), 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...golden, [key]: value }));
    await expect(verifyModel(directory, file)).rejects.toThrow(
      `${file}: "${key}" is missing or malformed, wanted ${wanted}`,
    );
  });

  it('names what belongs to another model', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'tapo-verify-')), 'numbers.json');
    const golden = JSON.parse(await readFile(join(directory, 'numbers.json'), 'utf8'));
    const refused = async (change: object) => {
      await writeFile(file, JSON.stringify({ ...golden, ...change }));
      await expect(verifyModel(directory, file)).rejects.toThrow(`${file}: `);
      return verifyModel(directory, file).catch((error: Error) => error.message);
    };
    const gradients = { 'model.norm.weight': { shape: [2], norm: 1, values: [] } };
    expect(await refused({ gradients })).toContain('has shape [2], in');
    expect(await refused({ tokens: [[1]], logits: [[[1, 2]]] })).toContain(
      '"logits" hold 2 a token, the vocabulary of',
    );
  });

  it('takes a .gguf file as the directory that it would be', async () => {
    const numbers = join(fixtures, 'llama3-scaled-biases/numbers.json'); // the same weights, under another RoPE scaling
    const tiny = join(fixtures, 'gguf/tiny-llama.gguf');
    const whole = join(await mkdtemp(join(tmpdir(), 'tapo-verify-')), 'model');
    await saveModelDirectory(whole, await loadGguf(tiny));
    expect(await verifyModel(tiny, numbers)).toEqual(await verifyModel(whole, numbers));
  });

  it('fails on numbers that are off, and names the weight', async () => {
    const root = await mkdtemp(join(tmpdir(), 'tapo-verify-'));
    const file = join(root, 'numbers.json');
    const golden = JSON.parse(await readFile(join(directory, 'numbers.json'), 'utf8'));
    const name = 'model.layers.1.mlp.up_proj.weight';
    golden.gradients[name].norm *= 1.01;
    await writeFile(file, JSON.stringify(golden));
    const result = await verifyModel(directory, file, { backend: 'cpu' });
    expect(result.passed).toBe(false);
    expect(result.worstGradient.name).toBe(name);
    expect(result.worstGradient.deviation).toBeCloseTo(0.01 / 1.01, 4);

    // A gradient that vanishes beside the others is compared with 1e-3 of the largest norm, not with itself.
    golden.gradients[name].norm /= 1.01;
    const key = 'model.layers.0.self_attn.k_proj.bias';
    const { norm } = golden.gradients[key];
    golden.gradients[key] = { shape: [16], norm: 0, values: [] };
    const largestNorm = Math.max(
      ...Object.values(golden.gradients as Record<string, { norm: number }>).map((each) => each.norm),
    );
    await writeFile(file, JSON.stringify(golden));
    const { worstGradient } = await verifyModel(directory, file, { backend: 'cpu' });
    expect(worstGradient.name).toBe(key);
    expect(worstGradient.deviation).toBeCloseTo(norm / (1e-3 * largestNorm), 2);

    golden.gradients = { 'lm_head.weight': golden.gradients[name] };
    await writeFile(file, JSON.stringify(golden));
    await expect(verifyModel(directory, file, { backend: 'cpu' })).rejects.toThrow(
      /names "lm_head.weight", which the model in .* does not have/,
    );
    await writeFile(file, JSON.stringify({ ...golden, tokens: [[1, 2], [3]] }));
    await expect(verifyModel(directory, file, { backend: 'cpu' })).rejects.toThrow(
      /"tokens" is missing or malformed, wanted int\[B\]\[T\]/,
    );
    await rm(root, { recursive: true });
    await expect(verifyModel(directory, file, { backend: 'cpu' })).rejects.toThrow(/cannot read \(ENOENT\)/);
  });
});
