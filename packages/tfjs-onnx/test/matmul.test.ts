/* oxlint-disable vitest/expect-expect -- the assertions are in expectSameAsCpu */
import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { floats } from './support/arbitraries.js';
import { expectSameAsCpu } from './support/against-cpu.js';

const size = fc.integer({ min: 1, max: 5 });

describe('matrix products', () => {
  test('every combination of transposes, with and without a batch, and the gradients', async () => {
    const inputs = fc
      .tuple(size, size, size, fc.array(size, { maxLength: 2 }), fc.boolean(), fc.boolean())
      .chain(([m, k, n, batch, transposeA, transposeB]) =>
        fc.tuple(
          floats([...batch, ...(transposeA ? [k, m] : [m, k])]),
          floats([...batch, ...(transposeB ? [n, k] : [k, n])]),
          fc.constant([transposeA, transposeB] as const),
        ),
      );
    const property = fc.asyncProperty(inputs, ([a, b, [transposeA, transposeB]]) =>
      expectSameAsCpu((x, y) => tf.matMul(x, y!, transposeA, transposeB), [a, b], { tolerance: 5e-6, gradient: true }),
    );
    await fc.assert(property, { numRuns: 30 });
  });

  test('a batch of one side only', async () => {
    const property = fc.asyncProperty(floats([3, 2, 4]), floats([1, 4, 5]), (a, b) =>
      expectSameAsCpu((x, y) => tf.matMul(x, y!), [a, b], { tolerance: 5e-6 }),
    );
    await fc.assert(property, { numRuns: 4 });
  });

  test('dot, outerProduct, einsum', async () => {
    const property = fc.asyncProperty(floats([4]), floats([4]), floats([2, 3, 4]), (a, b, c) =>
      expectSameAsCpu(
        (x, y, z) => [
          tf.dot(x, y!),
          tf.outerProduct(x as tf.Tensor1D, y as tf.Tensor1D),
          tf.einsum('abc,c->ba', z!, y!),
        ],
        [a, b, c],
        { tolerance: 5e-6 },
      ),
    );
    await fc.assert(property, { numRuns: 4 });
  });

  test.each(['linear', 'relu', 'relu6', 'elu', 'sigmoid'] as const)('fused bias and %s', async (activation) => {
    const property = fc.asyncProperty(floats([3, 4]), floats([4, 5]), floats([5]), (a, b, bias) =>
      expectSameAsCpu(
        (x, y, z) => tf.fused.matMul({ a: x as tf.Tensor2D, b: y as tf.Tensor2D, bias: z!, activation }),
        [a, b, bias],
        { tolerance: 5e-6, gradient: activation !== 'sigmoid' },
      ),
    );
    await fc.assert(property, { numRuns: 4 });
  });

  test('sums that the product takes over: bias, residual, accumulated gradient', async () => {
    const property = fc.asyncProperty(
      floats([6, 4]),
      floats([4, 5]),
      floats([5]),
      floats([2, 3, 5]),
      (a, b, bias, residual) =>
        expectSameAsCpu(
          (x, y, z, r) => {
            const product = tf.matMul(x, y!);
            const kept = tf.matMul(tf.neg(x), y!); // used twice: must stay as it is
            return [
              tf.add(product, z!),
              tf.add(r!, tf.reshape(tf.matMul(tf.square(x), y!), [2, 3, 5])),
              tf.add(kept, z!),
              kept,
            ];
          },
          [a, b, bias, residual],
          { tolerance: 5e-6, gradient: true },
        ),
    );
    await fc.assert(property, { numRuns: 6 });
  });

  test('tied embedding: rows scattered onto a product', async () => {
    const ids = { data: Int32Array.of(1, 0, 1), shape: [3], dtype: 'int32' as const };
    const property = fc.asyncProperty(floats([4, 5]), (table) =>
      expectSameAsCpu(
        (w, at) => tf.matMul(tf.tanh(tf.gather(w, at as tf.Tensor1D)), w as tf.Tensor2D, false, true),
        [table, ids],
        { tolerance: 5e-6, gradient: true },
      ),
    );
    await fc.assert(property, { numRuns: 6 });
  });
});
