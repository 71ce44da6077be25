import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';

import { selectedLogprobs } from '@tapo/policy';

const rows = 7;
const width = 5;
const vocabulary = 9;
const hidden = tf.tensor2d(
  Array.from({ length: rows * width }, (_, i) => Math.sin(i * 1.7)),
  [rows, width],
);
const head = tf.tensor2d(
  Array.from({ length: vocabulary * width }, (_, i) => Math.cos(i * 2.3)),
  [vocabulary, width],
);
const targets = tf.tensor1d([0, 8, 3, 3, 5, 1, 7], 'int32');
// Different weights per row, so that no error can cancel.
const logprobWeights = tf.tensor1d([1, -2, 0.5, 0, 3, 1, -1]);
const entropyWeights = tf.tensor1d([0.3, 1, -1, 2, 0, 0.1, 1]);

/** The same by tfjs's own operations and gradients. */
function reference(hidden: tf.Tensor2D, head: tf.Tensor2D, temperature: number) {
  const logSoftmax = tf.logSoftmax(tf.div(tf.matMul(hidden, head, false, true), temperature));
  const logprobs = tf.sum(tf.mul(logSoftmax, tf.oneHot(targets, vocabulary, 1, 0, 'float32')), 1);
  return { logprobs, entropies: tf.neg(tf.sum(tf.mul(tf.exp(logSoftmax), logSoftmax), 1)) };
}

function weighted({ logprobs, entropies }: { logprobs: tf.Tensor; entropies: tf.Tensor }): tf.Scalar {
  return tf.add(
    tf.sum<tf.Scalar>(tf.mul(logprobs, logprobWeights)),
    tf.sum<tf.Scalar>(tf.mul(entropies, entropyWeights)),
  );
}

const largest = (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0] as number;

beforeAll(() => tf.setBackend('cpu'));

describe('selectedLogprobs', () => {
  // One chunk, chunks that divide the rows unevenly, one row each.
  it.each([
    [100, 1],
    [3, 1],
    [1, 0.7],
    [100, 0.7],
  ])('equals tfjs’s own values and gradients with %i rows at a time, temperature %f', (chunkRows, temperature) => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const options = { chunkRows, temperature };
      const actual = selectedLogprobs(hidden, head, targets, options);
      const expected = reference(hidden, head, temperature);
      expect(largest(actual.logprobs, expected.logprobs)).toBeLessThan(2e-6);
      expect(largest(actual.entropies, expected.entropies)).toBeLessThan(2e-6);

      const gradients = tf.grads((h, w) =>
        weighted(selectedLogprobs(h as tf.Tensor2D, w as tf.Tensor2D, targets, options)),
      );
      const wanted = tf.grads((h, w) => weighted(reference(h as tf.Tensor2D, w as tf.Tensor2D, temperature)));
      const [actualHidden, actualHead] = gradients([hidden, head]) as [tf.Tensor, tf.Tensor];
      const [wantedHidden, wantedHead] = wanted([hidden, head]) as [tf.Tensor, tf.Tensor];
      expect(largest(actualHidden, wantedHidden)).toBeLessThan(5e-6);
      expect(largest(actualHead, wantedHead)).toBeLessThan(1e-5);
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  it('gives no gradient through the entropy where that is switched off', () => {
    const entropySum = (entropyGradient: boolean) =>
      tf.grad((h) => tf.sum(selectedLogprobs(h as tf.Tensor2D, head, targets, { entropyGradient }).entropies))(hidden);
    expect(tf.max(tf.abs(entropySum(false))).dataSync()[0]).toBe(0);
    expect(tf.max(tf.abs(entropySum(true))).dataSync()[0]).toBeGreaterThan(0.01);
  });
});
