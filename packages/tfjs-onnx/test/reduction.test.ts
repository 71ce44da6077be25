/* oxlint-disable vitest/expect-expect -- the assertions are in expectSameAsCpu */
import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { booleans, floats, integers, shapes } from './support/arbitraries.js';
import { expectSameAsCpu } from './support/against-cpu.js';

const numRuns = 8;
const one = { minRank: 1 };

/** Some of a shape's axes, counted from the front or from the back, or all. */
const axesOf = (shape: number[]): fc.Arbitrary<number[] | undefined> => {
  const rank = shape.length;
  const chosen = fc.subarray([...shape.keys()], { minLength: 0 });
  const signed = fc.tuple(chosen, fc.boolean()).map(([axes, back]) => axes.map((axis) => (back ? axis - rank : axis)));
  return fc.option(signed, { nil: undefined });
};

type Reduction = (x: tf.Tensor, axes?: number[], keepDims?: boolean) => tf.Tensor;

const fromFront = (x: tf.Tensor, axes?: number[]) => axes?.map((axis) => (axis + x.rank) % x.rank);

const reductions: [string, Reduction, { min?: number; max?: number }?][] = [
  ['sum', tf.sum],
  ['mean', tf.mean],
  ['max', tf.max],
  ['min', tf.min],
  // tfjs's gradient of prod wants axes counted from the front
  ['prod', (x, axes, keepDims) => tf.prod(x, fromFront(x, axes), keepDims), { min: 0.5, max: 2 }],
  // tfjs's logSumExp wants axes counted from the front
  [
    'logSumExp',
    (x, axes, keepDims) =>
      tf.logSumExp(
        x,
        axes?.map((axis) => (axis + x.rank) % x.rank),
        keepDims,
      ),
  ],
  ['norm', (x, axes, keepDims) => tf.norm(x, 'euclidean', axes?.length === 1 ? axes[0] : undefined, keepDims)],
];

describe('reductions over any axes', () => {
  test.each(reductions)('%s', async (name, operation, domain = {}) => {
    const inputs = shapes(one).chain((shape) => fc.tuple(floats(shape, domain), axesOf(shape), fc.boolean()));
    const property = fc.asyncProperty(inputs, ([x, axes, keepDims]) =>
      // tfjs's CPU divides the gradient of max among ties, like the trace; norm has none at 0.
      expectSameAsCpu((t) => operation(t, axes, keepDims), [x], { tolerance: 5e-6, gradient: name !== 'norm' }),
    );
    await fc.assert(property, { numRuns });
  });

  test.each([tf.sum, tf.max, tf.min, tf.prod])('int32: %o', async (operation) => {
    const inputs = shapes(one).chain((shape) => fc.tuple(integers(shape, { min: -3, max: 3 }), axesOf(shape)));
    const property = fc.asyncProperty(inputs, ([x, axes]) => expectSameAsCpu((t) => operation(t, axes), [x]));
    await fc.assert(property, { numRuns });
  });

  test.each([tf.all, tf.any, tf.sum])('bool: %o', async (operation) => {
    const inputs = shapes(one).chain((shape) => fc.tuple(booleans(shape), axesOf(shape)));
    const property = fc.asyncProperty(inputs, ([x, axes]) => expectSameAsCpu((t) => operation(t, axes), [x]));
    await fc.assert(property, { numRuns });
  });

  test.each([tf.argMax, tf.argMin])('the first of equals: %o', async (operation) => {
    const inputs = shapes(one).chain((shape) => fc.tuple(floats(shape, { min: -1, max: 1 }), fc.nat(shape.length - 1)));
    const property = fc.asyncProperty(inputs, ([x, axis]) => expectSameAsCpu((t) => operation(t, axis), [x]));
    await fc.assert(property, { numRuns });
  });

  test('cumsum, exclusive and reversed too', async () => {
    const inputs = shapes(one).chain((shape) =>
      fc.tuple(floats(shape), fc.nat(shape.length - 1), fc.boolean(), fc.boolean()),
    );
    const property = fc.asyncProperty(inputs, ([x, axis, exclusive, reverse]) =>
      // tfjs's gradient is right for the last axis only.
      expectSameAsCpu(
        (t) => [tf.cumsum(t, axis, exclusive, reverse), tf.cumprod(t, axis, exclusive, reverse)],
        [x],
      ).then(() =>
        expectSameAsCpu((t) => tf.cumsum(t, x.shape.length - 1, exclusive, reverse), [x], { gradient: true }),
      ),
    );
    await fc.assert(property, { numRuns });
  });

  test.each([tf.softmax, tf.logSoftmax])('%o', async (operation) => {
    const property = fc.asyncProperty(
      shapes(one).chain((shape) => floats(shape)),
      (x) => expectSameAsCpu((t) => operation(t), [x], { tolerance: 5e-6, gradient: true }),
    );
    await fc.assert(property, { numRuns });
  });

  test('softmax of masked rows and of large logits', async () => {
    const data = Float32Array.of(1000, 999, 998, -1e9, -1e9, 3, 0, 0, 0);
    await expectSameAsCpu((x) => tf.softmax(x), [{ data, shape: [3, 3], dtype: 'float32' }], { gradient: true });
  });

  test('sums over axes that were only broadcast', async () => {
    // mean's gradient is such a value: dy spread over the reduced axes, never written out
    const inputs = shapes(one).chain((shape) => fc.tuple(floats(shape), axesOf(shape)));
    const property = fc.asyncProperty(inputs, ([x, axes]) => {
      const spread = (t: tf.Tensor) => tf.mul(tf.mean(t, axes, true), tf.ones(t.shape));
      const operation = (t: tf.Tensor) => [
        tf.sum(spread(t), axes),
        tf.max(spread(t)),
        tf.mean(spread(t)),
        tf.transpose(spread(t)),
      ];
      return expectSameAsCpu(operation, [x], { tolerance: 5e-6, gradient: true });
    });
    await fc.assert(property, { numRuns });
  });
});
