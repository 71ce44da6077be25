import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { adamWStep } from '../../src/engine/adamw.js';
import { cacheColumns, paddedLength } from '../../src/engine/ladder.js';
import { planMicroBatches } from '../../src/engine/micro-batches.js';

describe('the ladder of lengths', () => {
  it('pads by less than half from 32 on', () => {
    expect([1, 32, 33, 96, 97, 129, 193, 257, 385, 1000].map(paddedLength)).toEqual([
      32, 32, 64, 96, 128, 192, 256, 384, 512, 1024,
    ]);
    expect([1, 63, 64, 96, 128, 192].map(cacheColumns)).toEqual([64, 64, 96, 128, 192, 256]);
  });
});

describe('micro-batches', () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 60 });

  it('hold every row once, within the budget, at a shape that fits', () => {
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 5000 }), (rows, microBatchTokens) => {
        const plan = planMicroBatches(rows, { microBatchTokens });
        const planned = plan.flatMap((micro) => micro.rows).toSorted((a, b) => a - b);
        expect(planned).toEqual([...rows.keys()].filter((row) => rows[row]! > 0)); // a row without positions has no work
        for (const { rows: members, size, length } of plan) {
          expect(members.length).toBeLessThanOrEqual(size);
          expect(size === 1 || size * length <= microBatchTokens).toBe(true);
          for (const row of members) expect(rows[row]).toBeLessThanOrEqual(length);
        }
      }),
    );
  });

  it('keeps short rows apart from long ones, and does not split what fits', () => {
    // 8 · 32 + 8 · 256 padded positions apart, 16 · 256 together
    const mixed = Array.from({ length: 16 }, (_, i) => (i % 2 ? 250 : 20));
    expect(planMicroBatches(mixed, { microBatchTokens: 4096 }).map(({ size, length }) => [size, length])).toEqual([
      [8, 256],
      [8, 32],
    ]);
    expect(planMicroBatches([30, 28, 31, 32], { microBatchTokens: 4096 })).toHaveLength(1);
  });
});

describe('AdamW', () => {
  const entry = (values: number[], gradient: number[], decay: boolean) => ({
    value: Float32Array.from(values),
    gradient: Float32Array.from(gradient),
    mean: new Float32Array(values.length),
    variance: new Float32Array(values.length),
    decay,
  });
  const options = { learningRate: 0.1, weightDecay: 0.5, gradientClip: null, beta1: 0.9, beta2: 0.99, epsilon: 0 };

  it('decays matrices only, and corrects the bias of both moments', () => {
    const matrix = entry([1], [4], true);
    const bias = entry([1], [-4], false);
    // Step 1: corrected mean ±4, corrected variance 16, so the update is ∓lr. Decay: 1 · (1 − 0.1 · 0.5) = 0.95.
    adamWStep([matrix, bias], 1, options);
    expect(matrix.value[0]).toBeCloseTo(0.95 - 0.1, 6);
    expect(bias.value[0]).toBeCloseTo(1 + 0.1, 6);
    expect(matrix.gradient[0]).toBe(0);
    // Step 2 with gradient 0: mean 0.9 · 0.4 = 0.36, / (1 − 0.81) = 1.895; variance 0.99 · 0.16 = 0.1584, / (1 − 0.9801) = 7.960.
    adamWStep([matrix, bias], 2, options);
    expect(bias.value[0]).toBeCloseTo(1.1 + (0.1 * 0.36) / 0.19 / Math.sqrt(0.1584 / 0.0199), 6);
  });

  it('clips by the norm over all parameters, and reports the norm before', () => {
    const a = entry([0], [3], false);
    const b = entry([0], [4], false);
    // ‖(3, 4)‖ = 5, clipped to 1: (0.6, 0.8); the first moments are a tenth of that
    expect(adamWStep([a, b], 1, { ...options, gradientClip: 1 })).toBeCloseTo(5, 6);
    expect(a.mean[0]).toBeCloseTo(0.06, 6);
    expect(b.mean[0]).toBeCloseTo(0.08, 6);
  });

  it('refuses a gradient that is not finite, and leaves everything else as it was', () => {
    const a = entry([1], [Number.NaN], true);
    expect(() => adamWStep([a], 1, options)).toThrow('the gradient norm is NaN');
    expect([a.value[0], a.mean[0], a.gradient[0]]).toEqual([1, 0, 0]);
  });
});
