import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';
import wabt from 'wabt';

import { adamWKernelBytes, createAdamWKernel } from '../../src/engine/adamw-kernel.js';
import { adamWStep, type OptimizerEntry } from '../../src/engine/adamw.js';

it('the bytes in adamw-kernel.ts are adamw-kernel.wat, assembled', async () => {
  const file = fileURLToPath(new URL('../../src/engine/adamw-kernel.wat', import.meta.url));
  const { parseWat } = await wabt();
  const assembled = parseWat(file, await readFile(file, 'utf8'), { simd: true }).toBinary({}).buffer;
  expect(adamWKernelBytes).toBe(Buffer.from(assembled).toString('base64'));
});

it('sums squares in float64', () => {
  const { memory, squares } = createAdamWKernel();
  memory.set([3, 4, 2 ** -12, 2 ** -13]);
  // 9 + 16 + 2⁻²⁴ + 2⁻²⁶; float32 would lose the last two
  expect(squares(16)).toBe(25 + 2 ** -24 + 2 ** -26);
});

it.each([1, 5, 16384, 16387, 40000])('%i numbers, three steps: what AdamW in float64 gives, to float32', (count) => {
  const random = (i: number, k: number) => Math.sin(i * 12.9898 + k * 78.233);
  const make = (k: number) => Float32Array.from({ length: count }, (_, i) => random(i, k));
  const zeros = () => new Float32Array(count);
  const entry: OptimizerEntry = { value: make(0), gradient: zeros(), mean: zeros(), variance: zeros(), decay: true };
  const expected = { value: [...entry.value], mean: Array(count).fill(0), variance: Array(count).fill(0) };
  for (let step = 1; step <= 3; step++) {
    entry.gradient.set(make(step));
    const norm = Math.hypot(...entry.gradient);
    const scale = norm > 1 ? 1 / norm : 1;
    for (let i = 0; i < count; i++) {
      const g = (entry.gradient[i] as number) * scale;
      const mean = (expected.mean[i] = 0.9 * expected.mean[i] + 0.1 * g);
      const variance = (expected.variance[i] = 0.99 * expected.variance[i] + 0.01 * g * g);
      const move = mean / (1 - 0.9 ** step) / (Math.sqrt(variance / (1 - 0.99 ** step)) + 1e-8);
      expected.value[i] = (expected.value[i] as number) * (1 - 0.01 * 0.1) - 0.01 * move;
    }
    const options = { learningRate: 0.01, beta2: 0.99, weightDecay: 0.1, gradientClip: 1 };
    expect(adamWStep([entry], step, options)).toBeCloseTo(norm, 6);
    expect(entry.gradient.every((g) => g === 0)).toBe(true);
  }
  const worst = Math.max(...expected.value.map((value, i) => Math.abs(value - (entry.value[i] as number))));
  expect(worst).toBeLessThan(1e-6);
});
