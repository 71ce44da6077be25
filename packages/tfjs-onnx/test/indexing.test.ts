/* oxlint-disable vitest/expect-expect -- the assertions are in expectSameAsCpu */
import * as tf from '@tensorflow/tfjs-core';
import { compile } from '@tapo/tfjs-onnx';
import type { HostTensor } from '@tapo/tfjs-onnx';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyType, floats, integers, shapes } from './support/arbitraries.js';
import { expectSameAsCpu } from './support/against-cpu.js';

const numRuns = 8;
const one = { minRank: 1 };

describe('reading and writing by index', () => {
  test('gather along any axis; equal indices add up in the gradient', async () => {
    const inputs = shapes(one).chain((shape) =>
      fc.nat(shape.length - 1).chain((axis) =>
        fc.tuple(
          floats(shape),
          shapes({ maxRank: 2 }).chain((at) => integers(at, { min: 0, max: shape[axis]! - 1 })),
          fc.constant(axis),
        ),
      ),
    );
    const property = fc.asyncProperty(inputs, ([x, indices, axis]) =>
      expectSameAsCpu((t, at) => tf.gather(t, at as tf.Tensor1D, axis), [x, indices], { gradient: true }),
    );
    await fc.assert(property, { numRuns: 16 });
  });

  test('gather with a batch axis', async () => {
    const inputs = fc.tuple(floats([3, 4, 2]), integers([3, 5], { min: 0, max: 3 }));
    const property = fc.asyncProperty(inputs, (both) =>
      expectSameAsCpu((x, at) => tf.gather(x, at as tf.Tensor1D, 1, 1), both),
    );
    await fc.assert(property, { numRuns });
  });

  test('an embedding gradient with many meetings of two threads at one row', async () => {
    // 20 000 updates of 3 rows: an unsynchronised sum loses some of them
    const ids = {
      data: Int32Array.from({ length: 20_000 }, (_, i) => i % 3),
      shape: [20_000],
      dtype: 'int32' as const,
    };
    const table = {
      data: Float32Array.from({ length: 3 * 16 }, (_, i) => i / 8),
      shape: [3, 16],
      dtype: 'float32' as const,
    };
    await expectSameAsCpu((x, at) => tf.gather(x, at as tf.Tensor1D), [table, ids], {
      gradient: true,
      tolerance: 1e-4,
    });
  });

  test('unsortedSegmentSum', async () => {
    const inputs = shapes(one).chain((shape) => fc.tuple(floats(shape), integers([shape[0]!], { min: 0, max: 4 })));
    const property = fc.asyncProperty(inputs, (both) =>
      expectSameAsCpu((x, ids) => tf.unsortedSegmentSum(x, ids as tf.Tensor1D, 5), both),
    );
    await fc.assert(property, { numRuns });
  });

  test('gatherND, scatterND, tensorScatterUpdate, sparseToDense', async () => {
    const tuples = fc.constant<HostTensor>({ data: Int32Array.of(0, 1, 2, 3, 1, 0), shape: [3, 2], dtype: 'int32' });
    const property = fc.asyncProperty(
      floats([3, 4, 2]),
      tuples,
      floats([3, 2]),
      floats([3]),
      (x, at, updates, values) =>
        expectSameAsCpu(
          (t, indices, rows, numbers) => [
            tf.gatherND(t, indices!),
            tf.scatterND(indices as tf.Tensor2D, rows!, [3, 4, 2]),
            tf.tensorScatterUpdate(t, indices as tf.Tensor2D, rows!),
            tf.sparseToDense(indices as tf.Tensor2D, numbers as tf.Tensor1D, [3, 4], tf.scalar(7)),
          ],
          [x, at, updates, values],
        ),
    );
    await fc.assert(property, { numRuns });
  });

  test('scatterND adds equal indices up', async () => {
    const at = { data: Int32Array.of(1, 1, 0, 1), shape: [4, 1], dtype: 'int32' as const };
    const property = fc.asyncProperty(floats([4, 3]), (updates) =>
      expectSameAsCpu((indices, rows) => tf.scatterND(indices as tf.Tensor2D, rows!, [2, 3]), [at, updates]),
    );
    await fc.assert(property, { numRuns });
  });

  test('oneHot, topk, bincount, stack of argMax', async () => {
    const inputs = shapes({ minRank: 1, maxRank: 3 }).chain((shape) =>
      fc.tuple(anyType(shape), integers([6], { min: 0, max: 4 })),
    );
    const property = fc.asyncProperty(inputs, ([x, ids]) =>
      expectSameAsCpu(
        (t, at) => {
          const distinct = tf.add(tf.cast(t, 'float32'), tf.reshape(tf.range(0, t.size, 1), t.shape)); // no ties
          const { values, indices } = tf.topk(distinct, t.shape.at(-1)!);
          return [
            tf.oneHot(at!, 5),
            tf.oneHot(at!, 5, 2, -1, 'float32'),
            values,
            indices,
            tf.bincount(at as tf.Tensor1D, tf.tensor1d([]), 5),
          ];
        },
        [x, ids],
      ),
    );
    await fc.assert(property, { numRuns });
  });

  test('bincount and denseBincount leave ids out that are too large, and refuse negative ones', async () => {
    const ids = { data: Int32Array.of(0, 3, 9, 1, 3, 4), shape: [6], dtype: 'int32' as const };
    const rows = { ...ids, shape: [2, 3] };
    const weights = { data: Float32Array.of(1, 2, 4, 8, 16, 32), shape: [6], dtype: 'float32' as const };
    await expectSameAsCpu(
      (at, table, amounts) => [
        tf.bincount(at as tf.Tensor1D, tf.tensor1d([]), 4), // 1 1 0 2
        tf.bincount(at as tf.Tensor1D, amounts as tf.Tensor1D, 4), // 1 8 0 18
        tf.denseBincount(table as tf.Tensor2D, tf.tensor2d([], [0, 0]), 4), // 1 0 0 1, 0 1 0 1
        tf.denseBincount(table as tf.Tensor2D, tf.reshape(amounts!, [2, 3]) as tf.Tensor2D, 4),
        tf.denseBincount(table as tf.Tensor2D, tf.tensor2d([], [0, 0]), 2, true),
      ],
      [ids, rows, weights],
    );
    const count = compile(({ at }) => ({ bins: tf.bincount(at as tf.Tensor1D, tf.tensor1d([]), 4) }));
    const negative = { ...ids, data: Int32Array.of(0, 1, -1, 2, 3, 0) };
    await expect(count.run({ at: negative })).rejects.toThrow("The compiled function 'tfjs' failed");
    await count.dispose();
  });
});
