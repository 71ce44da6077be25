/* oxlint-disable vitest/expect-expect -- the assertions are in expectSameAsCpu */
import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { anyType, booleans, broadcastPairs, floats, integers, shapes } from './support/arbitraries.js';
import { expectSameAsCpu } from './support/against-cpu.js';

const numRuns = 6;

/** name, operation, domain, tolerance. Gradients are compared for float32 inputs. */
const unary: [string, (x: tf.Tensor) => tf.Tensor, { min?: number; max?: number }?, number?][] = [
  ['abs', tf.abs],
  ['acos', tf.acos, { min: -0.9, max: 0.9 }],
  ['acosh', tf.acosh, { min: 1.2, max: 4 }],
  ['asin', tf.asin, { min: -0.9, max: 0.9 }],
  ['asinh', tf.asinh],
  ['atan', tf.atan],
  ['atanh', tf.atanh, { min: -0.9, max: 0.9 }],
  ['ceil', tf.ceil],
  ['cos', tf.cos],
  ['cosh', tf.cosh],
  ['elu', tf.elu],
  ['erf', tf.erf],
  ['exp', tf.exp, {}, 2e-6],
  ['expm1', tf.expm1, {}, 2e-6],
  ['floor', tf.floor],
  ['leakyRelu', (x) => tf.leakyRelu(x, 0.3)],
  ['log', tf.log, { min: 0.1, max: 9 }],
  ['log1p', tf.log1p, { min: -0.9, max: 9 }],
  ['neg', tf.neg],
  ['reciprocal', tf.reciprocal, { min: 0.1, max: 9 }],
  ['relu', tf.relu],
  ['relu6', (x) => tf.relu6(tf.mul(x, 3))],
  ['round', tf.round],
  ['rsqrt', tf.rsqrt, { min: 0.1, max: 9 }, 2e-6],
  ['selu', tf.selu],
  ['sigmoid', tf.sigmoid],
  ['sign', tf.sign],
  ['sin', tf.sin],
  ['sinh', tf.sinh],
  ['softplus', tf.softplus],
  ['sqrt', tf.sqrt, { min: 0.1, max: 9 }],
  ['square', tf.square],
  ['step', (x) => tf.step(x, 0.5)],
  ['tan', tf.tan, { min: -1.2, max: 1.2 }, 2e-6],
  ['tanh', tf.tanh],
  ['clipByValue', (x) => tf.clipByValue(x, -1, 2)],
  ['silu', (x) => tf.mul(x, tf.sigmoid(x))],
];

describe('unary operations and their gradients', () => {
  test.each(unary)('%s', async (_, operation, domain = {}, tolerance = 1e-6) => {
    const inputs = shapes().chain((shape) => floats(shape, domain));
    const property = fc.asyncProperty(inputs, (x) => expectSameAsCpu(operation, [x], { tolerance, gradient: true }));
    await fc.assert(property, { numRuns });
  });

  test.each([
    ['abs', tf.abs],
    ['neg', tf.neg],
    ['relu', tf.relu],
    ['sign', tf.sign],
    ['square', tf.square],
    ['exp', tf.exp],
    ['clipByValue', (x: tf.Tensor) => tf.clipByValue(x, -1, 2)],
  ] as [string, (x: tf.Tensor) => tf.Tensor][])('%s of int32', async (_, operation) => {
    const property = fc.asyncProperty(
      shapes().chain((shape) => integers(shape)),
      (x) => expectSameAsCpu(operation, [x], { tolerance: 2e-6 }),
    );
    await fc.assert(property, { numRuns });
  });

  test.each([
    ['isNaN', tf.isNaN],
    ['isInf', tf.isInf],
    ['isFinite', tf.isFinite],
    ['step', tf.step],
    ['relu', tf.relu],
    ['exp', tf.exp],
    ['log', tf.log],
    ['sqrt', tf.sqrt],
    ['expm1', tf.expm1],
    ['log1p', tf.log1p],
    ['softplus', tf.softplus],
  ] as [string, (x: tf.Tensor) => tf.Tensor][])('%s of NaN, infinities, large, tiny and zero', async (_, operation) => {
    const data = Float32Array.of(NaN, Infinity, -Infinity, 1e30, -1e30, 1e-30, -1e-30, 0, 1);
    await expectSameAsCpu(operation, [{ data, shape: [9], dtype: 'float32' }]);
  });
});

const binary: [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, { min?: number; max?: number }?][] = [
  ['add', tf.add],
  ['sub', tf.sub],
  ['mul', tf.mul],
  ['div', tf.div, { min: 0.5, max: 4 }],
  ['pow', tf.pow, { min: 0.5, max: 3 }],
  ['floorDiv', tf.floorDiv, { min: 0.5, max: 4 }],
  ['mod', tf.mod, { min: 0.5, max: 4 }],
  ['atan2', tf.atan2, { min: 0.5, max: 4 }],
];

describe('binary operations, broadcast, and their gradients', () => {
  test.each(binary)('%s', async (_, operation, domain = {}) => {
    const inputs = broadcastPairs.chain(([a, b]) => fc.tuple(floats(a, domain), floats(b, domain)));
    const property = fc.asyncProperty(inputs, (pair) =>
      expectSameAsCpu(operation, pair, { tolerance: 5e-6, gradient: true }),
    );
    await fc.assert(property, { numRuns });
  });

  // tfjs's own gradients of these do not sum over broadcast axes.
  test.each([
    ['maximum', tf.maximum],
    ['minimum', tf.minimum],
    ['squaredDifference', tf.squaredDifference],
    ['prelu', tf.prelu],
  ] as [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor][])(
    '%s: gradients of one shape, values of two',
    async (_, operation) => {
      const same = shapes().chain((shape) => fc.tuple(floats(shape), floats(shape)));
      await fc.assert(
        fc.asyncProperty(same, (pair) => expectSameAsCpu(operation, pair, { gradient: true })),
        { numRuns },
      );
      const broadcast = broadcastPairs.chain(([a, b]) => fc.tuple(floats(a), floats(b)));
      await fc.assert(
        fc.asyncProperty(broadcast, (pair) => expectSameAsCpu(operation, pair)),
        { numRuns },
      );
    },
  );

  test('divNoNan', async () => {
    const inputs = broadcastPairs.chain(([a, b]) => fc.tuple(floats(a), floats(b)));
    await fc.assert(
      fc.asyncProperty(inputs, (pair) => expectSameAsCpu(tf.divNoNan, pair)),
      { numRuns },
    );
  });

  test.each([
    ['add', tf.add],
    ['mul', tf.mul],
    ['maximum', tf.maximum],
    ['floorDiv', (a: tf.Tensor, b: tf.Tensor) => tf.floorDiv(a, tf.add(tf.square(b), 1))],
    ['mod', (a: tf.Tensor, b: tf.Tensor) => tf.mod(a, tf.add(tf.square(b), 1))],
    ['equal', tf.equal],
    ['notEqual', tf.notEqual],
    ['less', tf.less],
    ['lessEqual', tf.lessEqual],
    ['greater', tf.greater],
    ['greaterEqual', tf.greaterEqual],
  ] as [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor][])('%s of mixed types', async (_, operation) => {
    // The sum of two booleans is a "bool" of value 2 on tfjs's CPU, int32 here.
    const inputs = broadcastPairs
      .chain(([a, b]) => fc.tuple(anyType(a), anyType(b)))
      .filter(([a, b]) => !(a.dtype === 'bool' && b.dtype === 'bool'));
    await fc.assert(
      fc.asyncProperty(inputs, (pair) => expectSameAsCpu(operation, pair)),
      { numRuns: 10 },
    );
  });

  test('atan2 on the axes and in every quadrant', async () => {
    const y = Float32Array.of(0, 0, 1, -1, 1, 1, -1, -1, 0);
    const x = Float32Array.of(1, -1, 0, 0, 1, -1, 1, -1, 0);
    const inputs = [y, x].map((data) => ({ data, shape: [9], dtype: 'float32' as const }));
    await expectSameAsCpu(tf.atan2, inputs);
  });

  test.each([
    ['logicalAnd', tf.logicalAnd],
    ['logicalOr', tf.logicalOr],
    ['logicalXor', tf.logicalXor],
    ['logicalNot', (a: tf.Tensor) => tf.logicalNot(a)],
  ] as [string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor][])('%s', async (_, operation) => {
    const inputs = broadcastPairs.chain(([a, b]) => fc.tuple(booleans(a), booleans(b)));
    await fc.assert(
      fc.asyncProperty(inputs, (pair) => expectSameAsCpu(operation, pair)),
      { numRuns },
    );
  });

  test('where, its condition broadcast too', async () => {
    const inputs = broadcastPairs.chain(([a, b]) => fc.tuple(booleans(a), floats(b), floats(a)));
    const where = (condition: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => tf.where(condition, a, b);
    await fc.assert(
      fc.asyncProperty(inputs, (all) => expectSameAsCpu(where, all, { gradient: true })),
      { numRuns },
    );
  });

  test('addN', async () => {
    const inputs = shapes().chain((shape) => fc.array(floats(shape), { minLength: 1, maxLength: 4 }));
    const addN = (...terms: tf.Tensor[]) => tf.addN(terms);
    await fc.assert(
      fc.asyncProperty(inputs, (all) => expectSameAsCpu(addN, all, { gradient: true })),
      { numRuns },
    );
  });

  test('cast between all types', async () => {
    for (const dtype of ['float32', 'int32', 'bool'] as const) {
      const property = fc.asyncProperty(shapes().chain(anyType), (x) => expectSameAsCpu((t) => tf.cast(t, dtype), [x]));
      await fc.assert(property, { numRuns });
    }
  });
});
