import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Batch } from '@tapo/core';
import { initializeLora, mergeLora, type LoraConfig } from '@tapo/policy';
import { expect, it } from 'vitest';

import { engineBackend } from '../backend.js';
import { tinyConfig, tinyEngine, tinyParameters } from './fixtures.js';

const config = tinyConfig();
const lora: LoraConfig = { rank: 4, alpha: 16, targets: ['q_proj', 'v_proj', 'down_proj'], rsLora: false };

/** An engine that trains adapters. */
const adapterEngine = (backend = engineBackend, keepReference = false) =>
  tinyEngine({ config, backend, keepReference, adapter: { config: lora, parameters: initializeLora(config, lora) } });

/** Token i + 1 follows token i. */
const inputs = Int32Array.from({ length: 64 }, (_, i) => 10 + (i % 20));
const batch: Batch = {
  rows: 4,
  length: 16,
  lengths: new Int32Array(4).fill(16),
  inputs,
  targets: inputs.map((token) => token + 1),
  lossMask: new Float32Array(64).fill(1),
  weights: new Float32Array(64).fill(1 / 64),
};
const request = {
  sequenceId: 'a',
  tokens: [11, 12, 13],
  maxTokens: 20,
  stop: [],
  temperature: 1,
  topP: 1,
  topK: 0,
  seed: 1,
};

async function train(engine: Awaited<ReturnType<typeof adapterEngine>>, steps: number): Promise<number[]> {
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    losses.push((await engine.forwardBackward(batch, { name: 'cross-entropy' })).loss);
    await engine.optimizerStep({ learningRate: 1e-2 });
  }
  return losses;
}

it('trains the adapter alone, as the cpu backend does', async () => {
  const compiled = await adapterEngine();
  const losses = await train(compiled, 8);
  expect(losses.at(-1)).toBeLessThan((losses[0] as number) * 0.7);
  expect(Object.keys(await compiled.parameters())).toEqual(Object.keys(initializeLora(config, lora)));
  const cpu = await adapterEngine('cpu');
  (await train(cpu, 3)).forEach((loss, step) => expect(loss).toBeCloseTo(losses[step] as number, 5));
});

it('the gradient of every adapter matrix equals that of the cpu backend to 1e-5', async () => {
  const gradients = async (backend: typeof engineBackend) => {
    const engine = await adapterEngine(backend);
    await train(engine, 2); // before, B is zero, and with it the gradient of A
    await engine.forwardBackward(batch, { name: 'cross-entropy' });
    return engine.gradients();
  };
  const [compiled, cpu] = [await gradients(engineBackend), await gradients('cpu')];
  // 2 layers, A and B of 3 projections
  expect(Object.keys(compiled)).toHaveLength(12);
  const errors = Object.entries(cpu).map(([name, { data }]) => {
    const difference = data.map((value, i) => value - (compiled[name]!.data[i] as number));
    return Math.hypot(...difference) / Math.hypot(...data);
  });
  expect(Math.max(...errors)).toBeLessThan(1e-5);
});

it('the reference is the model without the adapter, to the bit, through the programs there are', async () => {
  const [engine, base] = [await adapterEngine(engineBackend, true), await tinyEngine({ config })];
  const { logprobs } = await base.logprobs(batch);
  expect((await engine.logprobs(batch)).logprobs).toEqual(logprobs); // B is zero
  await train(engine, 8);
  const { compilations } = await engine.statistics();
  expect((await engine.logprobs(batch)).logprobs).not.toEqual(logprobs);
  expect((await engine.referenceLogprobs(batch)).logprobs).toEqual(logprobs);
  expect((await engine.statistics()).compilations).toBe(compilations);
  await expect(base.referenceLogprobs(batch)).rejects.toThrow('make it with keepReference');
});

it('under an adapter that was there before, the reference is the model with it', async () => {
  const first = await adapterEngine();
  await train(first, 4);
  const parameters = await first.parameters();
  const copied = Object.fromEntries(
    Object.entries(parameters).map(([name, t]) => [name, { ...t, data: t.data.slice() }]),
  );
  const engine = await tinyEngine({ config, keepReference: true, adapter: { config: lora, parameters: copied } });
  const { logprobs } = await engine.logprobs(batch);
  await train(engine, 4);
  expect((await engine.referenceLogprobs(batch)).logprobs).toEqual(logprobs);
});

it('samples from base and adapter together: what the merged model gives', async () => {
  const engine = await adapterEngine();
  await train(engine, 8);
  const merged = mergeLora(tinyParameters(config), await engine.parameters(), lora);
  const sampled = await engine.sample(request);
  const reference = await (await tinyEngine({ config, parameters: merged })).sample(request);
  expect(sampled.tokens).toEqual(reference.tokens);
  sampled.logprobs.forEach((value, i) => expect(value).toBeCloseTo(reference.logprobs[i] as number, 4));
});

it('checkpoints hold the adapter, not the base, and go on to the bit', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tapo-lora-'));
  const through = await adapterEngine();
  await train(through, 2);
  const checkpoint = join(directory, 'two');
  await through.save(checkpoint);
  const expected = await train(through, 2);
  expect((await readdir(checkpoint)).toSorted()).toEqual(['adapter', 'learner.json', 'moments.safetensors']);
  const resumed = await adapterEngine();
  await resumed.load(checkpoint);
  expect(await train(resumed, 2)).toEqual(expected);
  const full = await tinyEngine({ config });
  await expect(full.load(checkpoint)).rejects.toThrow('it holds no model/; this engine trains all weights');
  await rm(directory, { recursive: true });
});
