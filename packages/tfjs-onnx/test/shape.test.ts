/* oxlint-disable vitest/expect-expect -- the assertions are in expectSameAsCpu */
import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { anyType, floats, shapes } from './support/arbitraries.js';
import { expectSameAsCpu } from './support/against-cpu.js';

const numRuns = 8;
const one = { minRank: 1 };

const permutationOf = (shape: number[]) =>
  fc.shuffledSubarray([...shape.keys()], { minLength: shape.length, maxLength: shape.length });

describe('operations on shapes', () => {
  test('reshape, expandDims, squeeze, and chains of them', async () => {
    const operation = (x: tf.Tensor) => [
      tf.reshape(x, [-1]),
      tf.expandDims(x, 0),
      tf.squeeze(tf.expandDims(x, -1)),
      tf.reshape(tf.reshape(tf.expandDims(x, 0), [-1, 1]), x.shape),
    ];
    const property = fc.asyncProperty(
      shapes().chain((shape) => floats(shape)),
      (x) => expectSameAsCpu(operation, [x], { gradient: true }),
    );
    await fc.assert(property, { numRuns });
  });

  test('transpose by any permutation, of any type', async () => {
    const inputs = shapes(one).chain((shape) => fc.tuple(anyType(shape), permutationOf(shape)));
    const property = fc.asyncProperty(inputs, ([x, permutation]) =>
      expectSameAsCpu((t) => tf.transpose(t, permutation), [x], { gradient: x.dtype === 'float32' }),
    );
    await fc.assert(property, { numRuns: 16 });
  });

  test('concat and stack', async () => {
    const inputs = shapes(one).chain((shape) =>
      fc.tuple(fc.array(floats(shape), { minLength: 1, maxLength: 3 }), fc.nat(shape.length - 1)),
    );
    const property = fc.asyncProperty(inputs, ([parts, axis]) =>
      expectSameAsCpu((...tensors) => [tf.concat(tensors, axis), tf.stack(tensors, axis)], parts, { gradient: true }),
    );
    await fc.assert(property, { numRuns });
  });

  test('split and unstack', async () => {
    const inputs = shapes(one).chain((shape) => fc.tuple(floats(shape), fc.nat(shape.length - 1)));
    const property = fc.asyncProperty(inputs, ([x, axis]) => {
      const ones = Array<number>(x.shape[axis]!).fill(1);
      // tfjs has no gradient of these for an axis of length 1.
      const gradient = ones.length > 1;
      return expectSameAsCpu((t) => [...tf.split(t, ones, axis), ...tf.unstack(t, axis)], [x], { gradient });
    });
    await fc.assert(property, { numRuns });
  });

  test('slice and stridedSlice, forwards and backwards', async () => {
    const rangeOf = (size: number) =>
      fc.tuple(fc.nat(size - 1), fc.nat(size - 1)).map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1]);
    const inputs = shapes(one).chain((shape) =>
      fc.tuple(
        anyType(shape),
        fc.tuple(...shape.map(rangeOf)),
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
      ),
    );
    const property = fc.asyncProperty(inputs, ([x, ranges, steps]) => {
      const [begin, end] = [ranges.map((range) => range[0]!), ranges.map((range) => range[1]!)];
      const size = end.map((stop, axis) => stop - begin[axis]!);
      const backwards = [begin, end].map((bounds) => bounds.map((bound) => bound - 1));
      return expectSameAsCpu(
        (t) => [
          tf.slice(t, begin, size),
          tf.stridedSlice(t, begin, end, steps.slice(0, begin.length)),
          tf.stridedSlice(
            t,
            backwards[1]!,
            begin.map((start, axis) => (start === 0 ? -x.shape[axis]! - 1 : start - 1)),
            begin.map(() => -1),
          ),
        ],
        [x],
      );
    });
    await fc.assert(property, { numRuns: 12 });
  });

  test('slice has a gradient', async () => {
    const property = fc.asyncProperty(
      shapes(one).chain((shape) => floats(shape)),
      (x) =>
        expectSameAsCpu(
          (t) =>
            tf.slice(
              t,
              x.shape.map((size) => Math.floor(size / 2)),
            ),
          [x],
          { gradient: true },
        ),
    );
    await fc.assert(property, { numRuns });
  });

  test('pad, mirrorPad, tile, broadcastTo, reverse', async () => {
    // up to rank 3: tfjs has the gradient of tile up to rank 4, and broadcastTo adds an axis here
    const inputs = shapes({ minRank: 1, maxRank: 3 }).chain((shape) =>
      fc.tuple(floats(shape), fc.subarray([...shape.keys()])),
    );
    const property = fc.asyncProperty(inputs, async ([x, axes]) => {
      const pads = x.shape.map((size, axis) => [Math.min(axis, size), Math.min(2, size)] as [number, number]);
      const inner = x.shape.map((size) => [0, size - 1] as [number, number]);
      await expectSameAsCpu(
        (t) => [
          tf.pad(t, pads, 0.5),
          tf.pad(
            t,
            x.shape.map(() => [0, 0]),
          ),
          tf.tile(
            t,
            x.shape.map((_, axis) => 1 + (axis % 2)),
          ),
          tf.reverse(t, axes),
          tf.broadcastTo(t, [2, ...x.shape]),
        ],
        [x],
        { gradient: true },
      );
      await expectSameAsCpu((t) => [tf.mirrorPad(t, pads, 'symmetric'), tf.mirrorPad(t, inner, 'reflect')], [x]);
    });
    await fc.assert(property, { numRuns });
  });

  test('spaceToBatchND, batchToSpaceND, depthToSpace', async () => {
    const property = fc.asyncProperty(floats([2, 4, 6, 8]), (x) =>
      expectSameAsCpu(
        (t) => [
          tf.spaceToBatchND(
            t,
            [2, 3],
            [
              [1, 1],
              [0, 0],
            ],
          ),
          tf.batchToSpaceND(
            tf.spaceToBatchND(
              t,
              [2, 2],
              [
                [0, 0],
                [0, 0],
              ],
            ),
            [2, 2],
            [
              [1, 0],
              [0, 1],
            ],
          ),
          tf.depthToSpace(t as tf.Tensor4D, 2, 'NHWC'),
        ],
        [x],
      ),
    );
    await fc.assert(property, { numRuns: 3 });
  });

  test('zeros, ones, fill, range, linspace, eye, diag', async () => {
    const property = fc.asyncProperty(
      shapes({ minRank: 1, maxRank: 2 }).chain((shape) => floats(shape)),
      (x) =>
        expectSameAsCpu(
          (t) => [
            tf.zerosLike(t),
            tf.onesLike(t),
            tf.fill(x.shape, 7),
            tf.range(1, 9, 3, 'int32'),
            tf.linspace(0, 1, 5),
            tf.eye(3),
            tf.diag(t),
          ],
          [x],
        ),
    );
    await fc.assert(property, { numRuns });
  });
});
