/* oxlint-disable vitest/expect-expect -- the assertions are in expectSameAsCpu */
import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { floats } from './support/arbitraries.js';
import { expectSameAsCpu } from './support/against-cpu.js';

const numRuns = 6;
const small = fc.integer({ min: 1, max: 3 });
const pad = fc.constantFrom('valid' as const, 'same' as const);

describe('images', () => {
  test('localResponseNormalization, values and gradients', async () => {
    const property = fc.asyncProperty(floats([2, 3, 2, 6]), small, (x, radius) =>
      expectSameAsCpu((a) => tf.localResponseNormalization(a as tf.Tensor4D, radius, 1.5, 0.7, 0.4), [x], {
        tolerance: 2e-5,
        gradient: true,
      }),
    );
    await fc.assert(property, { numRuns });
  });

  test('cropAndResize: boxes inside, across the edge, of one row; flipLeftRight', async () => {
    const boxes = {
      data: Float32Array.of(0, 0, 1, 1, 0.2, 0.7, 0.6, 0.1, -0.4, 0.5, 0.8, 1.3, 0.1, 0.3, 0.9, 0.8),
      shape: [4, 4],
      dtype: 'float32' as const,
    };
    const of = { data: Int32Array.of(0, 1, 1, 0), shape: [4], dtype: 'int32' as const };
    const sizes = fc.constantFrom<[number, number]>([2, 3], [1, 4], [5, 5]);
    const property = fc.asyncProperty(floats([2, 4, 5, 3]), sizes, (images, size) =>
      expectSameAsCpu(
        (x, where, which) => [
          tf.image.cropAndResize(x as tf.Tensor4D, where as tf.Tensor2D, which as tf.Tensor1D, size, 'bilinear', 7),
          // rows 0 and 3, columns 0, 2 and 4 of the first image: where a place lies between two, rounding would decide
          tf.image.cropAndResize(
            x as tf.Tensor4D,
            tf.tensor2d([[0, 0, 1, 1]]),
            tf.tensor1d([0], 'int32'),
            [2, 3],
            'nearest',
          ),
          tf.image.flipLeftRight(x as tf.Tensor4D),
        ],
        [images, boxes, of],
        { tolerance: 1e-5 },
      ),
    );
    await fc.assert(property, { numRuns });
  });
});

describe('volumes', () => {
  test('conv3d', async () => {
    const inputs = fc
      .tuple(small, small, small, small)
      .chain(([depth, height, width, channels]) =>
        fc.tuple(floats([2, 4, 5, 3, channels]), floats([depth, height, width, channels, 2]), small, pad),
      );
    const property = fc.asyncProperty(inputs, ([x, filter, stride, pad]) =>
      expectSameAsCpu((a, b) => tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, stride, pad), [x, filter], {
        tolerance: 2e-5,
      }),
    );
    await fc.assert(property, { numRuns });
  });

  test.each([tf.maxPool3d, tf.avgPool3d])('%o', async (pool) => {
    const property = fc.asyncProperty(floats([1, 5, 4, 6, 2]), small, small, pad, (x, filter, stride, pad) =>
      expectSameAsCpu((a) => pool(a as tf.Tensor5D, filter, stride, pad), [x], { tolerance: 1e-5 }),
    );
    await fc.assert(property, { numRuns });
  });
});
