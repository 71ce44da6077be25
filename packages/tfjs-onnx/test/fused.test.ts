/* oxlint-disable vitest/expect-expect -- the assertions are in expectSameAsCpu and expectSameGradients */
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {
  causalAttention,
  checkpoint,
  compile,
  linearTokenLogprobs,
  rmsNorm,
  rope,
  selectedLogprobs,
} from '@tapo/tfjs-onnx';
import type { HostTensor } from '@tapo/tfjs-onnx';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { floats, integers } from './support/arbitraries.js';
import { expectSameAsCpu } from './support/against-cpu.js';
import type { Operation } from './support/against-cpu.js';

const numRuns = 5;
const options = { tolerance: 2e-5, gradient: true };

/**
 * The fused function on the CPU (its composition, its own gradient), compiled (its operator), and the textbook formula
 * with tfjs's gradients: values and gradients of all three are equal.
 */
async function expectSameThrice(fused: Operation, plain: Operation, inputs: HostTensor[]): Promise<void> {
  await expectSameAsCpu(fused, inputs, options);
  await expectSameAsCpu(
    (...tensors) => tf.sub(fused(...tensors) as tf.Tensor, plain(...tensors) as tf.Tensor),
    inputs,
    {
      ...options,
      tolerance: 1e-4,
    },
  );
  const zero = tf.tidy(() => {
    const tensors = inputs.map(({ data, shape, dtype }) => tf.tensor(data, shape, dtype));
    const float = tensors.filter(({ dtype }) => dtype === 'float32');
    const loss =
      (operation: Operation) =>
      (...replaced: tf.Tensor[]) => {
        const all = tensors.map((tensor) => (tensor.dtype === 'float32' ? replaced[float.indexOf(tensor)]! : tensor));
        return tf.sum(tf.square(tf.add(operation(...all) as tf.Tensor, 1))) as tf.Scalar;
      };
    const [a, b] = [fused, plain].map((operation) => tf.grads(loss(operation))(float));
    return a!.map(
      (gradient, i) => tf.max(tf.div(tf.abs(tf.sub(gradient, b![i]!)), tf.add(1, tf.abs(b![i]!)))).dataSync()[0]!,
    );
  });
  for (const difference of zero) expect(difference).toBeLessThan(2e-5);
}

describe('fused functions: operator, composition and textbook agree', () => {
  test('rmsNorm', async () => {
    const inputs = fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 9 }))
      .chain(([rows, size]) => fc.tuple(floats([2, rows, size]), floats([size])));
    const plain = (x: tf.Tensor, weight: tf.Tensor) =>
      tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-3))), weight);
    const fused = (x: tf.Tensor, weight: tf.Tensor) => rmsNorm(x, weight, { epsilon: 1e-3 });
    await fc.assert(
      fc.asyncProperty(inputs, (both) => expectSameThrice(fused as Operation, plain as Operation, both)),
      { numRuns },
    );
  });

  test.each([false, true])('rope (positions per row: %s)', async (perRow) => {
    const [batch, steps, heads, half] = [2, 3, 2, 4];
    const angles = Float32Array.from({ length: (perRow ? batch : 1) * steps * half }, (_, i) => i / 3);
    const shape = perRow ? [batch, steps, half] : [steps, half];
    const tables = () => [tf.tensor(angles.map(Math.cos), shape), tf.tensor(angles.map(Math.sin), shape)] as const;
    const fused = (x: tf.Tensor) => rope(x as tf.Tensor4D, ...tables());
    const plain = (x: tf.Tensor) => {
      const [cos, sin] = tables().map((table) =>
        tf.reshape(tf.concat([table, table], -1), [perRow ? batch : 1, steps, 1, 2 * half]),
      );
      const [a, b] = tf.split(x, 2, 3) as [tf.Tensor, tf.Tensor];
      return tf.add(tf.mul(x, cos!), tf.mul(tf.concat([tf.neg(b), a], 3), sin!));
    };
    const property = fc.asyncProperty(floats([batch, steps, heads, 2 * half]), (x) =>
      expectSameThrice(fused, plain, [x]),
    );
    await fc.assert(property, { numRuns });
  });

  test.each([
    { heads: 2, kvHeads: 2, segments: false },
    { heads: 6, kvHeads: 2, segments: false },
    { heads: 2, kvHeads: 1, segments: true },
  ])(
    'causalAttention: $heads query heads, $kvHeads key heads, segments: $segments',
    async ({ heads, kvHeads, segments }) => {
      const [batch, steps, size] = [2, 4, 3];
      // two sequences of two in the first row, one of three and one of one in the second
      const ids = () => tf.tensor2d([0, 0, 1, 1, 0, 0, 0, 1], [2, 4], 'int32');
      const fused = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) =>
        causalAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, segments ? { segments: ids() } : {});
      const plain = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => {
        const copies = heads / kvHeads;
        const repeat = (x: tf.Tensor) =>
          tf.stack(
            Array.from({ length: copies }, () => x),
            3,
          );
        const split = (x: tf.Tensor) => tf.transpose(tf.reshape(x, [batch, steps, heads, size]), [0, 2, 1, 3]);
        const [keys, values] = [split(repeat(k)), split(repeat(v))];
        const lower = tf.tensor(
          Float32Array.from({ length: steps ** 2 }, (_, i) => Number(i % steps <= Math.floor(i / steps))),
          [1, 1, steps, steps],
        );
        const own = tf.cast(
          tf.equal(tf.reshape(ids(), [batch, 1, steps, 1]), tf.reshape(ids(), [batch, 1, 1, steps])),
          'float32',
        );
        const allowed = segments ? tf.mul(lower, own) : lower;
        const scores = tf.div(tf.matMul(split(q), keys, false, true), Math.sqrt(size));
        const weights = tf.softmax(tf.add(scores, tf.mul(tf.sub(allowed, 1), 1e9)));
        return tf.transpose(tf.matMul(weights, values), [0, 2, 1, 3]);
      };
      const inputs = fc.tuple(
        ...[heads, kvHeads, kvHeads].map((count) => floats([batch, steps, count, size], { min: -2, max: 2 })),
      );
      await fc.assert(
        fc.asyncProperty(inputs, (all) => expectSameThrice(fused as Operation, plain as Operation, all)),
        { numRuns },
      );
    },
  );

  test.each([
    { entropyGradient: false, chunkRows: 7 },
    { entropyGradient: true, chunkRows: 7 },
    { entropyGradient: false, chunkRows: 3 },
    { entropyGradient: true, chunkRows: 2 },
  ])('linearTokenLogprobs %o', async ({ entropyGradient, chunkRows }) => {
    const [rows, width, vocabulary] = [7, 3, 5];
    // without a gradient through the entropies, only the log-probabilities are compared
    const both = (logprobs: tf.Tensor, entropies: tf.Tensor) =>
      entropyGradient ? tf.stack([logprobs, entropies]) : logprobs;
    const fused = (hidden: tf.Tensor, weight: tf.Tensor, targets: tf.Tensor) => {
      const given = { temperature: 0.5, entropyGradient, chunkRows };
      const result = linearTokenLogprobs(hidden as tf.Tensor2D, weight as tf.Tensor2D, targets as tf.Tensor1D, given);
      return both(result.logprobs, result.entropies);
    };
    const plain = (hidden: tf.Tensor, weight: tf.Tensor, targets: tf.Tensor) => {
      const all = tf.logSoftmax(tf.div(tf.matMul(hidden, weight, false, true), 0.5));
      const chosen = tf.sum(tf.mul(all, tf.oneHot(targets, vocabulary, 1, 0, 'float32')), -1);
      return both(chosen, tf.neg(tf.sum(tf.mul(tf.exp(all), all), -1)));
    };
    const inputs = fc.tuple(
      floats([rows, width], { min: -1, max: 1 }),
      floats([vocabulary, width], { min: -1, max: 1 }),
      integers([rows], { min: 0, max: vocabulary - 1 }),
    );
    await fc.assert(
      fc.asyncProperty(inputs, (all) => expectSameThrice(fused as Operation, plain as Operation, all)),
      { numRuns },
    );
  });

  test('linearTokenLogprobs: the entropies of a trace without their gradient', async () => {
    const inputs = fc.tuple(floats([4, 3]), floats([5, 3]), integers([4], { min: 0, max: 4 }));
    const entropies = (hidden: tf.Tensor, weight: tf.Tensor, targets: tf.Tensor) =>
      linearTokenLogprobs(hidden as tf.Tensor2D, weight as tf.Tensor2D, targets as tf.Tensor1D).entropies;
    await fc.assert(
      fc.asyncProperty(inputs, (all) => expectSameAsCpu(entropies as Operation, all, { tolerance: 1e-5 })),
      { numRuns },
    );
  });

  test('selectedLogprobs', async () => {
    const fused = (logits: tf.Tensor, targets: tf.Tensor) =>
      selectedLogprobs(logits as tf.Tensor2D, targets as tf.Tensor1D, { temperature: 2 });
    const plain = (logits: tf.Tensor, targets: tf.Tensor) =>
      tf.sum(tf.mul(tf.logSoftmax(tf.div(logits, 2)), tf.oneHot(targets, 5, 1, 0, 'float32')), -1);
    const inputs = fc.tuple(floats([6, 5]), integers([6], { min: 0, max: 4 }));
    await fc.assert(
      fc.asyncProperty(inputs, (both) => expectSameThrice(fused as Operation, plain as Operation, both)),
      { numRuns },
    );
  });

  test('checkpoint, nested and around other functions', async () => {
    const layer = (x: tf.Tensor, weight: tf.Tensor) => tf.tanh(tf.matMul(rmsNorm(x, tf.ones([3])), weight));
    const plain = (x: tf.Tensor, weight: tf.Tensor) => layer(layer(layer(x, weight), weight), weight);
    const once = checkpoint(layer);
    const twice = checkpoint((x: tf.Tensor, weight: tf.Tensor) => once(once(x, weight), weight));
    const fused = (x: tf.Tensor, weight: tf.Tensor) => twice(once(x, weight), weight);
    const inputs = fc.tuple(floats([2, 3]), floats([3, 3]));
    await fc.assert(
      fc.asyncProperty(inputs, (both) => expectSameThrice(fused as Operation, plain as Operation, both)),
      { numRuns },
    );
  });
});

test('checkpoint computes again what it did not keep', async () => {
  let calls = 0;
  const block = checkpoint((x: tf.Tensor) => {
    calls += 1;
    return tf.sin(tf.exp(x));
  });
  const f = compile(({ x }) => ({ gradient: tf.grad((t: tf.Tensor) => tf.sum(block(t)))(x!) }));
  const { gradient } = await f.run({ x: { data: Float32Array.of(0.5), shape: [1], dtype: 'float32' } });
  expect(gradient!.data[0]).toBeCloseTo(Math.cos(Math.exp(0.5)) * Math.exp(0.5), 6);
  expect(calls).toBe(2);
  await f.dispose();
});

test('shapes that do not fit are named', () => {
  tf.tidy(() => {
    expect(() => rmsNorm(tf.ones([2, 3]), tf.ones([4]))).toThrow('weight has shape [4], wanted [3]');
    expect(() => rope(tf.ones([1, 2, 1, 4]), tf.ones([2, 4]), tf.ones([2, 2]))).toThrow(
      'cos has shape [2, 4], wanted [2, 2]',
    );
    expect(() => causalAttention(tf.ones([1, 2, 3, 4]), tf.ones([1, 2, 2, 4]), tf.ones([1, 2, 2, 4]))).toThrow(
      'key has shape',
    );
    expect(() => linearTokenLogprobs(tf.ones([2, 3]), tf.ones([5, 4]), tf.zeros([2], 'int32'))).toThrow(
      'needs a weight [vocabulary, 3]',
    );
  });
});
