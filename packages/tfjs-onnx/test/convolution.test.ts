/* oxlint-disable vitest/expect-expect -- the assertions are in expectSameAsCpu */
import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { floats } from './support/arbitraries.js';
import { expectSameAsCpu } from './support/against-cpu.js';

const numRuns = 8;
const options = { tolerance: 2e-5, gradient: true };
const small = fc.integer({ min: 1, max: 3 });

const images = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  height: fc.integer({ min: 4, max: 7 }),
  width: fc.integer({ min: 4, max: 7 }),
  channels: small,
});
const windows = fc.record({
  filter: fc.tuple(small, small),
  strides: fc.tuple(small, small),
  pad: fc.constantFrom('valid', 'same'),
});

describe('convolutions and pools, values and gradients', () => {
  test('conv2d', async () => {
    const inputs = fc
      .tuple(images, windows, small)
      .chain(([image, window, out]) =>
        fc.tuple(
          floats([image.batch, image.height, image.width, image.channels]),
          floats([...window.filter, image.channels, out]),
          fc.constant(window),
        ),
      );
    const property = fc.asyncProperty(inputs, ([x, filter, { strides, pad }]) =>
      expectSameAsCpu(
        (a, b) => tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, strides, pad as 'same'),
        [x, filter],
        options,
      ),
    );
    await fc.assert(property, { numRuns: 12 });
  });

  test('dilated and explicitly padded conv2d', async () => {
    const property = fc.asyncProperty(floats([1, 7, 7, 2]), floats([3, 2, 2, 3]), (x, filter) =>
      expectSameAsCpu(
        (a, b) => [
          tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'same', 'NHWC', [2, 2]),
          tf.conv2d(
            a as tf.Tensor4D,
            b as tf.Tensor4D,
            2,
            [
              [0, 0],
              [1, 0],
              [2, 1],
              [0, 0],
            ],
            'NHWC',
            1,
            'floor',
          ),
        ],
        [x, filter],
        { tolerance: 2e-5 },
      ),
    );
    await fc.assert(property, { numRuns: 3 });
  });

  test('depthwiseConv2d and conv2dTranspose', async () => {
    const inputs = fc
      .tuple(images, windows)
      .chain(([image, window]) =>
        fc.tuple(
          floats([image.batch, image.height, image.width, image.channels]),
          floats([...window.filter, image.channels, 2]),
          fc.constant(window.pad),
        ),
      );
    const property = fc.asyncProperty(inputs, async ([x, filter, pad]) => {
      await expectSameAsCpu(
        (a, b) => tf.depthwiseConv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, pad as 'same'),
        [x, filter],
        options,
      );
      const [batch, height, width] = x.shape as [number, number, number];
      const dy = { ...x, shape: [batch, height, width, x.shape[3]!] };
      const weights = { ...filter, shape: [filter.shape[0]!, filter.shape[1]!, 2, filter.shape[2]!] };
      const size = [batch, 2 * height, 2 * width, 2] as [number, number, number, number];
      await expectSameAsCpu(
        (a, b) => tf.conv2dTranspose(a as tf.Tensor4D, b as tf.Tensor4D, size, 2, 'same'),
        [dy, weights],
        { tolerance: 2e-5 },
      );
    });
    await fc.assert(property, { numRuns });
  });

  test.each(['relu', 'sigmoid', 'linear'] as const)('fused conv2d with bias and %s', async (activation) => {
    const property = fc.asyncProperty(floats([1, 4, 4, 2]), floats([2, 2, 2, 3]), floats([3]), (x, filter, bias) =>
      expectSameAsCpu(
        (a, b, c) =>
          tf.fused.conv2d({
            x: a as tf.Tensor4D,
            filter: b as tf.Tensor4D,
            bias: c!,
            strides: 1,
            pad: 'same',
            activation,
          }),
        [x, filter, bias],
        { tolerance: 2e-5, gradient: activation !== 'sigmoid' },
      ),
    );
    await fc.assert(property, { numRuns: 3 });
  });

  test.each([tf.maxPool, tf.avgPool])('%o', async (pool) => {
    const inputs = fc
      .tuple(images, windows)
      .chain(([image, window]) =>
        fc.tuple(floats([image.batch, image.height, image.width, image.channels]), fc.constant(window)),
      );
    const property = fc.asyncProperty(inputs, ([x, { filter, strides, pad }]) =>
      expectSameAsCpu((a) => pool(a as tf.Tensor4D, filter, strides, pad as 'same'), [x], options),
    );
    await fc.assert(property, { numRuns });
  });

  test('batchNorm', async () => {
    const property = fc.asyncProperty(
      floats([2, 3, 3, 2]),
      floats([2]),
      floats([2], { min: 0.5, max: 2 }),
      floats([2]),
      floats([2]),
      (...all) =>
        expectSameAsCpu(
          (x, mean, variance, offset, scale) =>
            tf.batchNorm(x, mean as tf.Tensor1D, variance as tf.Tensor1D, offset as tf.Tensor1D, scale as tf.Tensor1D),
          all,
          { tolerance: 5e-5, gradient: true },
        ),
    );
    await fc.assert(property, { numRuns });
  });

  test('resizeBilinear and resizeNearestNeighbor', async () => {
    const property = fc.asyncProperty(
      floats([1, 3, 4, 2]),
      fc.constantFrom([6, 8], [5, 3], [3, 4]),
      fc.boolean(),
      (x, size, alignCorners) =>
        expectSameAsCpu(
          (a) => [
            tf.image.resizeBilinear(a as tf.Tensor4D, size as [number, number], alignCorners),
            tf.image.resizeBilinear(a as tf.Tensor4D, size as [number, number], false, true),
            tf.image.resizeNearestNeighbor(a as tf.Tensor4D, size as [number, number], alignCorners),
          ],
          [x],
          { tolerance: 1e-5 },
        ),
    );
    await fc.assert(property, { numRuns });
  });
});
