/* oxlint-disable vitest/expect-expect -- the assertions are in expectSameAsCpu */
import * as tf from '@tensorflow/tfjs-core';
import type { HostTensor } from '@tapo/tfjs-onnx';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { booleans, floats, integers } from './support/arbitraries.js';
import { expectSameAsCpu } from './support/against-cpu.js';

const float = (shape: number[], ...values: number[]): HostTensor => ({
  data: Float32Array.from(values),
  shape,
  dtype: 'float32',
});
const int = (shape: number[], ...values: number[]): HostTensor => ({
  data: Int32Array.from(values),
  shape,
  dtype: 'int32',
});

describe('axes of length 0', () => {
  test('shapes change, and nothing is computed', async () => {
    await expectSameAsCpu(
      (x) => [
        tf.reshape(x, [0, 2, 2]),
        tf.expandDims(x, 1),
        tf.squeeze(tf.reshape(x, [1, 0, 4])),
        tf.transpose(x),
        tf.concat([x, tf.ones([2, 4])]),
        tf.stack([x, x], 1),
        ...tf.unstack(x, 1),
        tf.sum(x),
        tf.sum(x, 0),
        tf.matMul(x, tf.ones([4, 3])),
        tf.matMul(x, x, true),
        tf.any(tf.cast(x, 'bool')),
      ],
      [float([0, 4])],
    );
  });

  test('gather from and with nothing', async () => {
    const gather = (x: tf.Tensor, at: tf.Tensor) => tf.gather(x, at as tf.Tensor1D, 1);
    await expectSameAsCpu(gather as never, [float([2, 3, 0]), int([1, 1], 2)], { gradient: true });
    await expectSameAsCpu(gather as never, [float([1, 2], 3, 4), int([2, 0])], { gradient: true });
  });
});

describe('types', () => {
  test('float functions of int32 are cut to int32, as in tfjs', async () => {
    await expectSameAsCpu(
      (x) => [tf.acosh, tf.asinh, tf.expm1, tf.log1p, tf.reciprocal, tf.selu, tf.sinh, tf.softplus].map((f) => f(x)),
      [int([6], -5, -1, 0, 1, 2, 9)],
    );
  });

  test('booleans stay booleans: where, oneHot, max, min, mul, square', async () => {
    const property = fc.asyncProperty(booleans([2, 3]), booleans([2, 3]), booleans([3]), (a, b, condition) =>
      expectSameAsCpu(
        (x, y, c) => [
          tf.where(c!, x, y!),
          tf.max(x, 1),
          tf.min(x),
          tf.mul(x, y!),
          tf.square(x),
          tf.oneHot(tf.tensor1d([0, 2, 7], 'int32'), 3, 1, 0, 'bool'),
        ],
        [a, b, condition],
      ),
    );
    await fc.assert(property, { numRuns: 4 });
  });

  test('NaN, infinities and what is too large become integers as in JavaScript', async () => {
    const x = float([10], NaN, Infinity, -Infinity, 3e9, -3e9, 1e30, -1e30, 2.9, -2.9, 4294967296);
    await expectSameAsCpu((t) => [tf.cast(t, 'int32'), tf.floorDiv(t, tf.scalar(1))], [x]);
  });

  test('products of int32 matrices, exact beyond 2²⁴', async () => {
    const property = fc.asyncProperty(integers([3, 2]), integers([4, 2]), (a, b) =>
      expectSameAsCpu(
        (x, y) => [
          tf.matMul(x, y!, false, true),
          tf.matMul(tf.mul(x, tf.scalar(5000, 'int32')), tf.mul(y!, tf.scalar(3001, 'int32')), false, true),
        ],
        [a, b],
        { tolerance: 0 },
      ),
    );
    await fc.assert(property, { numRuns: 4 });
  });

  test('mod of numbers far apart', async () => {
    const [a, b] = [float([6], 1e30, -1e30, 1e-30, -7, 7, 5), float([6], 7, -5, -0.25, 3, -3, 0)];
    await expectSameAsCpu((x, y) => tf.mod(x, y!), [a, b], { tolerance: 0 });
  });
});

test('gather over a batch, from an axis that does not follow it', async () => {
  const cases = fc.constantFrom(
    { shape: [2, 3, 4], indices: [2, 2], axis: 2, batchDims: 1 },
    { shape: [2, 3, 2, 4], indices: [2, 3, 2, 2], axis: 3, batchDims: 2 },
    { shape: [2, 3, 4, 2], indices: [2], axis: 2, batchDims: 1 },
  );
  const inputs = cases.chain(({ shape, indices, axis, batchDims }) =>
    fc.tuple(
      floats([...shape]),
      integers([...indices], { min: 0, max: shape[axis]! - 1 }),
      fc.constant({ axis, batchDims }),
    ),
  );
  const property = fc.asyncProperty(inputs, ([x, at, { axis, batchDims }]) =>
    expectSameAsCpu((t, indices) => tf.gather(t, indices as tf.Tensor1D, axis, batchDims), [x, at]),
  );
  await fc.assert(property, { numRuns: 6 });
});

describe('windows', () => {
  test('a padding given as a number, under a filter that is not square', async () => {
    const property = fc.asyncProperty(
      floats([1, 6, 7, 2]),
      floats([2, 3, 2, 2]),
      fc.constantFrom(0, 1),
      async (x, filter, pad) => {
        const options = { tolerance: 5e-5, gradient: true };
        await expectSameAsCpu(
          (a, b) => tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, pad, 'NHWC', 1, 'floor'),
          [x, filter],
          options,
        );
        await expectSameAsCpu(
          (a, b) => tf.depthwiseConv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, pad, 'NHWC', 1, 'floor'),
          [x, filter],
          options,
        );
        await expectSameAsCpu((a) => tf.maxPool(a as tf.Tensor4D, [3, 2], 1, pad, 'floor'), [x], options);
        await expectSameAsCpu((a) => tf.avgPool(a as tf.Tensor4D, [3, 2], 1, pad, 'floor'), [x], options);
      },
    );
    await fc.assert(property, { numRuns: 4 });
  });

  test('rows that strides leave over', async () => {
    const property = fc.asyncProperty(floats([1, 7, 8, 1]), floats([2, 2, 1, 2]), (x, filter) =>
      expectSameAsCpu(
        (a, b) => [
          tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, [3, 3], 'valid'),
          tf.maxPool(a as tf.Tensor4D, 1, 3, 'valid'),
        ],
        [x, filter],
        { tolerance: 5e-5, gradient: true },
      ),
    );
    await fc.assert(property, { numRuns: 3 });
  });

  test('gradients of resizing, and nearest neighbours of half-pixel centres', async () => {
    // One image, square: with more, or with width and height that differ, tfjs's CPU gradients are wrong.
    const inputs = fc.tuple(floats([1, 3, 3, 2]), fc.constantFrom([6, 6], [5, 5], [2, 2], [1, 1]), fc.boolean());
    const property = fc.asyncProperty(inputs, async ([x, size, alignCorners]) => {
      const to = size as [number, number];
      await expectSameAsCpu(
        (a) => [
          tf.image.resizeBilinear(a as tf.Tensor4D, to, alignCorners),
          tf.image.resizeNearestNeighbor(a as tf.Tensor4D, to, alignCorners),
        ],
        [x],
        { tolerance: 1e-5, gradient: true },
      );
      await expectSameAsCpu((a) => tf.image.resizeNearestNeighbor(a as tf.Tensor4D, to, false, true), [x]);
    });
    await fc.assert(property, { numRuns: 8 });
  });
});
