import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Batch, LossSpec } from '@tapo/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Engine } from '../../src/engine/engine.js';
import { randomGenerator, tinyConfig, tinyEngine, tokenizer } from './fixtures.js';

/** Rows of 1 to `longest` positions, every second position sampled, DAPO columns near the policy's own log-probabilities. */
function randomBatch(rows: number, longest: number, seed = 1): Batch {
  const random = randomGenerator(seed);
  const size = rows * longest;
  const floats = (make: () => number) => Float32Array.from({ length: size }, make);
  const lengths = Int32Array.from({ length: rows }, () => 1 + random(longest));
  const real = (i: number) => i % longest < (lengths[Math.floor(i / longest)] as number);
  const lossMask = floats(() => random(2)).map((value, i) => (real(i) ? value : 0));
  const sampled = lossMask.reduce((sum, value) => sum + value, 0);
  return {
    rows,
    length: longest,
    lengths,
    inputs: Int32Array.from({ length: size }, () => random(tokenizer.vocabSize)),
    targets: Int32Array.from({ length: size }, () => random(tokenizer.vocabSize)),
    lossMask,
    weights: lossMask.map((value) => value / sampled),
    advantages: floats(() => (random(200) - 100) / 50),
    oldLogprobs: floats(() => -4 - random(100) / 100),
    rolloutLogprobs: floats(() => -4 - random(100) / 100),
  };
}

const dapo: LossSpec = { name: 'dapo', entropyCoefficient: 0.01, truncatedImportanceCap: 2 };

async function gradientsOf(engine: Engine, batch: Batch, loss: LossSpec = dapo) {
  const result = await engine.forwardBackward(batch, loss);
  const gradients = structuredClone(await engine.gradients());
  return { ...result, gradients };
}

/** ‖a − b‖ / ‖b‖ of each tensor; the largest. */
function relativeError(a: Record<string, { data: Float32Array }>, b: Record<string, { data: Float32Array }>): number {
  let worst = 0;
  for (const [name, { data }] of Object.entries(b)) {
    let difference = 0;
    let norm = 0;
    data.forEach((value, i) => {
      difference += (value - (a[name]!.data[i] as number)) ** 2;
      norm += value ** 2;
    });
    worst = Math.max(worst, Math.sqrt(difference / norm));
  }
  return worst;
}

describe('forwardBackward', () => {
  it.each([{ name: 'cross-entropy' } as const, dapo])(
    '$name: gradients equal those of the cpu backend to 1e-5',
    async (loss) => {
      const batch = randomBatch(6, 40);
      const compiled = await gradientsOf(await tinyEngine(), batch, loss);
      const cpu = await gradientsOf(await tinyEngine({ backend: 'cpu' }), batch, loss);
      expect(compiled.loss).toBeCloseTo(cpu.loss, 5);
      expect(relativeError(compiled.gradients, cpu.gradients)).toBeLessThan(1e-5);
    },
  );

  it('a full RL step leads to the same parameters as on the cpu backend, to 1e-5', async () => {
    const batch = randomBatch(5, 30);
    async function step(setup: Parameters<typeof tinyEngine>[0]) {
      const engine = await tinyEngine(setup);
      const before = structuredClone(await engine.parameters());
      const { logprobs: oldLogprobs } = await engine.logprobs(batch);
      // Twice over the same rollouts: in the second update the ratios are no longer 1.
      const norms: number[] = [];
      for (let update = 0; update < 2; update++) {
        await engine.forwardBackward({ ...batch, oldLogprobs }, dapo);
        norms.push((await engine.optimizerStep({ learningRate: 1e-3, epsilon: 1e-4, gradientClip: 0.1 })).gradientNorm);
      }
      return { before, norms, after: await engine.parameters() };
    }
    // 5 rows of 32 padded positions: 3 parts here, one there
    const compiled = await step({ microBatchTokens: 64 });
    const cpu = await step({ backend: 'cpu' });
    for (const norm of compiled.norms) expect(norm).toBeGreaterThan(0.1); // it is clipped
    expect(relativeError(compiled.after, cpu.after)).toBeLessThan(1e-5);
    // The step itself is far larger than that.
    expect(relativeError(cpu.before, cpu.after)).toBeGreaterThan(1e-3);
  });

  it('a batch without oldLogprobs has those of the pass itself: same gradient, same loss, no further shape compiled', async () => {
    const { oldLogprobs: _, ...batch } = randomBatch(8, 40);
    const engine = await tinyEngine();
    const { logprobs: oldLogprobs } = await engine.logprobs(batch);
    const given = await gradientsOf(engine, { ...batch, oldLogprobs });
    await engine.optimizerStep({ learningRate: 0 }); // empties the accumulator
    const { compilations } = await engine.statistics();
    const own = await gradientsOf(engine, batch);
    expect((await engine.statistics()).compilations).toBe(compilations);
    expect(own.logprobs).toEqual(given.logprobs);
    expect(own.loss).toBeCloseTo(given.loss, 6);
    expect(relativeError(own.gradients, given.gradients)).toBeLessThan(1e-6);
    // and not those of some other policy
    const other = await gradientsOf(await tinyEngine(), randomBatch(8, 40));
    expect(relativeError(other.gradients, given.gradients)).toBeGreaterThan(1e-2);
  });

  it('any split into micro-batches gives the same gradient to 1e-5', async () => {
    const batch = randomBatch(12, 100);
    const whole = await gradientsOf(await tinyEngine({ microBatchTokens: 12 * 128 }), batch);
    for (const microBatchTokens of [1, 200, 500]) {
      const split = await gradientsOf(await tinyEngine({ microBatchTokens }), batch);
      expect(split.loss).toBeCloseTo(whole.loss, 5);
      expect(relativeError(split.gradients, whole.gradients)).toBeLessThan(1e-5);
      // Per-token outputs are in the batch's own layout, whatever the split.
      split.logprobs.forEach((value, i) => expect(Math.abs(value - (whole.logprobs[i] as number))).toBeLessThan(1e-5));
    }
  });

  it('gradient checkpointing changes no gradient beyond 1e-5', async () => {
    const batch = randomBatch(6, 40);
    const plain = await gradientsOf(await tinyEngine(), batch);
    const checkpointed = await gradientsOf(await tinyEngine({ gradientCheckpointing: true }), batch);
    expect(checkpointed.loss).toBeCloseTo(plain.loss, 6);
    expect(relativeError(checkpointed.gradients, plain.gradients)).toBeLessThan(1e-5);
  });

  it('adds to the accumulator: two halves of a batch give the gradient of the whole', async () => {
    const batch = randomBatch(8, 30);
    const engine = await tinyEngine();
    const whole = await gradientsOf(engine, batch);
    const half = (from: number): Batch => {
      const part: Record<string, unknown> = { rows: 4, length: 30, lengths: batch.lengths.slice(from, from + 4) };
      for (const [name, column] of Object.entries(batch)) {
        if (typeof column !== 'number' && name !== 'lengths') part[name] = column.slice(from * 30, (from + 4) * 30);
      }
      return part as unknown as Batch;
    };
    const halves = await tinyEngine();
    await halves.forwardBackward(half(0), dapo);
    await halves.forwardBackward(half(4), dapo);
    expect(relativeError(await halves.gradients(), whole.gradients)).toBeLessThan(1e-5);
  });

  it('what masked positions hold has no influence', async () => {
    const batch = randomBatch(6, 40);
    const plain = await gradientsOf(await tinyEngine(), batch);
    const spoiled: Batch = structuredClone(batch);
    batch.lossMask.forEach((mask, i) => {
      if (mask > 0) return;
      spoiled.weights[i] = 7;
      spoiled.advantages![i] = Number.NaN;
      spoiled.oldLogprobs![i] = -Infinity;
      spoiled.rolloutLogprobs![i] = 1e30;
      spoiled.targets[i] = 0;
    });
    const other = await gradientsOf(await tinyEngine(), spoiled);
    expect(other.loss).toBe(plain.loss);
    expect(other.gradients).toEqual(plain.gradients);
  });

  it('an empty mask gives a loss and a gradient of zero', async () => {
    const batch = randomBatch(3, 20);
    batch.lossMask.fill(0);
    const { loss, gradients } = await gradientsOf(await tinyEngine(), batch);
    expect(loss).toBe(0);
    for (const { data } of Object.values(gradients)) expect(data.every((value) => value === 0)).toBe(true);
  });

  it('says which column or token does not fit', async () => {
    const engine = await tinyEngine();
    const batch = randomBatch(2, 10);
    await expect(engine.forwardBackward({ ...batch, weights: new Float32Array(3) }, dapo)).rejects.toThrow(
      'batch.weights has 3 numbers, 2 rows of 10 want 20',
    );
    const outside = batch.inputs.with(0, 999);
    await expect(engine.logprobs({ ...batch, inputs: outside })).rejects.toThrow('batch.inputs[0] is 999');
    const { advantages: _, ...bare } = batch;
    await expect(engine.forwardBackward(bare, dapo)).rejects.toThrow('the dapo loss needs advantages');
  });

  it('batches of any size and length share few compiled shapes', async () => {
    const engine = await tinyEngine();
    // Up to 128 positions there are 4 rungs (32, 64, 96, 128); of 1024 positions each, whole, halved, quartered, …:
    // 32, 16, 10 and 8 rows at most, hence 6 + 5 + 5 + 4 = 20 shapes.
    for (let seed = 0; seed < 40; seed++) await engine.logprobs(randomBatch(1 + seed, 8 + 3 * seed, seed));
    expect((await engine.statistics()).compilations).toBeLessThanOrEqual(20);
  });
});

describe('checkpoints', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tapo-engine-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const step = async (engine: Engine, seed: number) => {
    const { loss } = await engine.forwardBackward(randomBatch(4, 30, seed), dapo);
    const { gradientNorm } = await engine.optimizerStep({ learningRate: 1e-2, weightDecay: 0.1 });
    return { loss, gradientNorm };
  };

  it('training goes on to the bit as if it had not been interrupted', async () => {
    const through = await tinyEngine();
    const checkpoint = join(directory, 'step-2');
    for (const seed of [1, 2]) await step(through, seed);
    await through.save(checkpoint);
    const expected = [await step(through, 3), await step(through, 4)];

    const resumed = await tinyEngine();
    await step(resumed, 9); // whatever was there before is replaced, moments and step count included
    await resumed.load(checkpoint);
    expect([await step(resumed, 3), await step(resumed, 4)]).toEqual(expected);
    expect(await resumed.parameters()).toEqual(await through.parameters());
    expect((await resumed.statistics()).step).toBe(4);
    expect(await readdir(directory)).toEqual(['step-2']);
  });

  it('replaces an older checkpoint of the same name, and refuses one of another model', async () => {
    const engine = await tinyEngine();
    const checkpoint = join(directory, 'last');
    await engine.save(checkpoint);
    await step(engine, 1);
    await engine.save(checkpoint);
    const other = await tinyEngine({ config: tinyConfig({ intermediate_size: 64 }) });
    await expect(other.load(checkpoint)).rejects.toThrow(/the checkpoint belongs to another model/);
    await expect(other.load(join(directory, 'nothing'))).rejects.toThrow(/learner.json: cannot read/);
  });
});
