/* oxlint-disable vitest/expect-expect -- the assertions are in expectSameAsCpu */
import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import { test } from 'vitest';
import { floats } from './support/arbitraries.js';
import { expectSameAsCpu } from './support/against-cpu.js';

/** One operation of a program: which, and three numbers that choose its operands and attributes. */
type Step = readonly [operation: number, a: number, b: number, attribute: number];

type Emit = (x: tf.Tensor, other: tf.Tensor, attribute: number) => tf.Tensor | undefined;

const axisOf = (x: tf.Tensor, attribute: number) => attribute % Math.max(1, x.rank);

/** Results stay within a few units, so that errors are not amplified. `undefined`: the operands do not fit. */
const operations: Emit[] = [
  (x, y) => (broadcast(x, y) ? tf.add(x, y) : undefined),
  (x, y) => (broadcast(x, y) ? tf.tanh(tf.mul(x, y)) : undefined),
  (x, y) => (broadcast(x, y) ? tf.sub(x, y) : undefined),
  (x, y) => (broadcast(x, y) ? tf.div(x, tf.add(tf.square(y), 1)) : undefined),
  (x, y) => (x.shape.join() === y.shape.join() ? tf.maximum(x, y) : undefined),
  (x, _, attribute) => {
    // not of a comparison: tfjs looks for a gradient through the condition too
    const chosen = Uint8Array.from({ length: x.size }, (__, i) => Number((i * (attribute + 1)) % 3 === 0));
    return tf.where(tf.tensor(chosen, x.shape, 'bool'), x, tf.neg(x));
  },
  (x) => tf.sigmoid(x),
  (x) => tf.tanh(tf.exp(tf.sin(x))),
  (x) => tf.relu(x),
  (x) => tf.neg(x),
  (x) => tf.rsqrt(tf.add(tf.square(x), 1)),
  (x, _, attribute) => tf.mean(x, x.rank ? [axisOf(x, attribute)] : undefined, attribute % 2 === 0),
  (x, _, attribute) => tf.tanh(tf.sum(x, x.rank ? [axisOf(x, attribute)] : undefined, attribute % 2 === 0)),
  (x, _, attribute) => (x.rank ? tf.max(x, axisOf(x, attribute), attribute % 2 === 0) : undefined),
  (x) => (x.rank ? tf.softmax(x) : undefined),
  (x) => (x.rank ? tf.mul(tf.logSoftmax(x), 0.2) : undefined),
  (x) => tf.transpose(x),
  (x) => tf.reshape(x, [-1]),
  (x, _, attribute) => (x.rank < 4 ? tf.expandDims(x, attribute % (x.rank + 1)) : undefined),
  (x, y, attribute) => {
    const fits =
      x.rank > 0 &&
      x.rank === y.rank &&
      x.shape.every((size, axis) => axis === axisOf(x, attribute) || size === y.shape[axis]);
    return fits && x.size + y.size < 200 ? tf.concat([x, y], axisOf(x, attribute)) : undefined;
  },
  (x, _, attribute) =>
    x.rank
      ? tf.slice(
          x,
          x.shape.map((size) => attribute % size),
        )
      : undefined,
  (x, _, attribute) => {
    if (!x.rank) return undefined;
    const size = x.shape[0]!;
    return tf.gather(x, tf.tensor1d([attribute % size, 0, attribute % size], 'int32'));
  },
  (x, y) => (x.rank === 2 && y.rank === 2 && x.shape[1] === y.shape[0] ? tf.tanh(tf.matMul(x, y)) : undefined),
  (x, y) =>
    x.rank === 2 && y.rank === 2 && x.shape[1] === y.shape[1] ? tf.tanh(tf.matMul(x, y, false, true)) : undefined,
  (x, y) => (x.rank === 2 && y.rank === 2 && x.shape[0] === y.shape[0] ? tf.tanh(tf.matMul(x, y, true)) : undefined),
  (x, _, attribute) => (x.rank > 0 && x.rank < 5 ? tf.reverse(x, axisOf(x, attribute)) : undefined),
  (x) =>
    x.rank > 0 && x.rank < 5 && x.size < 60
      ? tf.pad(
          x,
          x.shape.map(() => [1, 0] as [number, number]),
        )
      : undefined,
  (x) => tf.clipByValue(x, -0.75, 0.75),
];

function broadcast(x: tf.Tensor, y: tf.Tensor): boolean {
  const rank = Math.max(x.rank, y.rank);
  return Array.from({ length: rank }, (_, back) => [x.shape.at(-1 - back) ?? 1, y.shape.at(-1 - back) ?? 1]).every(
    ([a, b]) => a === b || a === 1 || b === 1,
  );
}

/** The last three values of a program that starts with `inputs`; and their squares, since tfjs refuses a gradient of 0. */
function execute(steps: readonly Step[], inputs: tf.Tensor[]): tf.Tensor[] {
  const values = [...inputs];
  for (const [operation, a, b, attribute] of steps) {
    const [x, y] = [values[values.length - 1 - (a % values.length)]!, values[b % values.length]!];
    const result = operations[operation]!(x, y, attribute);
    if (result) values.push(result);
  }
  return [...values.slice(-3), ...inputs.map((input) => tf.square(input))];
}

const step = fc.tuple(fc.nat(operations.length - 1), fc.nat(5), fc.nat(30), fc.nat(11));
const programs = fc.tuple(
  fc.array(step, { minLength: 5, maxLength: 20 }),
  floats([3, 4], { min: -1, max: 1 }),
  floats([4], { min: -1, max: 1 }),
  floats([3, 1], { min: -1, max: 1 }),
  floats([], { min: -1, max: 1 }),
);

test('random programs of 5 to 20 operations: values and gradients as on the CPU', async () => {
  const property = fc.asyncProperty(programs, ([steps, ...inputs]) =>
    expectSameAsCpu((...tensors) => execute(steps, tensors), inputs, { tolerance: 5e-5, gradient: true }),
  );
  await fc.assert(property, { numRuns: 60 });
}, 60_000);
