import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { cachedAttention, compile } from '@tapo/tfjs-onnx';
import type { CachedAttentionInputs, HostTensor } from '@tapo/tfjs-onnx';
import { beforeEach, describe, expect, test } from 'vitest';

const random = (shape: number[]): HostTensor => {
  const size = shape.reduce((product, length) => product * length, 1);
  return { data: Float32Array.from({ length: size }, () => Math.random() * 2 - 1), shape, dtype: 'float32' };
};

const example = (batch: number, steps: number, heads: number, kvHeads: number, lengths: number[]) => {
  const [headSize, capacity] = [8, 16];
  return {
    query: random([batch, steps, heads, headSize]),
    key: random([batch, steps, kvHeads, headSize]),
    value: random([batch, steps, kvHeads, headSize]),
    keyCache: random([batch, kvHeads, capacity, headSize]),
    valueCache: random([batch, kvHeads, capacity, headSize]),
    lengths: { data: Int32Array.from(lengths), shape: [batch], dtype: 'int32' } as HostTensor,
  };
};

const attend = (inputs: Record<string, tf.Tensor>) =>
  ({ ...cachedAttention(inputs as unknown as CachedAttentionInputs) }) as Record<string, tf.Tensor>;

/** The definition, one query at a time. */
function byHand(inputs: ReturnType<typeof example>): Float32Array {
  const [batch, steps, heads, headSize] = inputs.query.shape as [number, number, number, number];
  const [, kvHeads, capacity] = inputs.keyCache.shape as [number, number, number];
  const [keys, values] = [inputs.keyCache.data.slice(), inputs.valueCache.data.slice()];
  const row = (data: HostTensor['data'], start: number) => Array.from(data.subarray(start, start + headSize));
  for (let b = 0; b < batch; b++)
    for (let t = 0; t < steps; t++)
      for (let h = 0; h < kvHeads; h++) {
        const [from, to] = [
          ((b * steps + t) * kvHeads + h) * headSize,
          ((b * kvHeads + h) * capacity + inputs.lengths.data[b]! + t) * headSize,
        ];
        keys.set(row(inputs.key.data, from), to);
        values.set(row(inputs.value.data, from), to);
      }
  const output = new Float32Array(inputs.query.data.length);
  for (let b = 0; b < batch; b++)
    for (let t = 0; t < steps; t++)
      for (let h = 0; h < heads; h++) {
        const at = ((b * steps + t) * heads + h) * headSize;
        const cached = (position: number) =>
          ((b * kvHeads + Math.floor((h * kvHeads) / heads)) * capacity + position) * headSize;
        const visible = [...Array(inputs.lengths.data[b]! + t + 1).keys()];
        const scores = visible.map(
          (p) =>
            row(keys, cached(p)).reduce((sum, k, d) => sum + k * inputs.query.data[at + d]!, 0) / Math.sqrt(headSize),
        );
        const weights = scores.map((score) => Math.exp(score));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (let d = 0; d < headSize; d++)
          output[at + d] = visible.reduce((sum, p) => sum + (weights[p]! / total) * values[cached(p) + d]!, 0);
      }
  return output;
}

const toTensors = (inputs: Record<string, HostTensor>) =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { data, shape, dtype }]) => [name, tf.tensor(data, shape, dtype)]),
  );

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((largest, x, i) => Math.max(largest, Math.abs(x - b[i]!)), 0);

beforeEach(async () => {
  await tf.setBackend('cpu');
});

describe('cachedAttention', () => {
  test.each([
    { batch: 3, steps: 1, heads: 4, kvHeads: 2, lengths: [0, 7, 15] },
    { batch: 1, steps: 4, heads: 4, kvHeads: 4, lengths: [5] },
    { batch: 3, steps: 4, heads: 6, kvHeads: 2, lengths: [0, 3, 12] },
  ])('$batch rows, $steps steps, $heads/$kvHeads heads: compiled and composed are the definition', async (at) => {
    const inputs = example(at.batch, at.steps, at.heads, at.kvHeads, at.lengths);
    const tensorsBefore = tf.memory().numTensors;
    const wanted = byHand(inputs);
    const attention = compile(attend);
    const compiled = await attention.run(inputs);
    const composed = tf.tidy(() => {
      const result = attend(toTensors(inputs));
      return { output: result['output']!.dataSync(), keyCache: result['keyCache']!.dataSync() };
    });
    expect(largestDifference(compiled['output']!.data, wanted)).toBeLessThan(1e-6);
    expect(largestDifference(composed.output, wanted)).toBeLessThan(1e-6);
    // compared where a row is filled; beyond that a cache holds anything. Index: [row, head, position 16, headSize 8]
    const filled = (_: number, i: number) =>
      Math.floor(i / 8) % 16 < at.lengths[Math.floor(i / (at.kvHeads * 128))]! + at.steps;
    expect(compiled['keyCache']!.data.filter(filled)).toEqual(composed.keyCache.filter(filled));
    expect(tf.memory().numTensors).toBe(tensorsBefore);
    await attention.dispose();
  });

  test('bound caches are updated in place, at each row its own position, nowhere else', async () => {
    const inputs = example(2, 1, 2, 2, [3, 9]);
    const { keyCache, valueCache } = inputs;
    const before = keyCache.data.slice();
    const attention = compile(attend);
    const result = await attention.run(inputs, { outputs: { keyCache, valueCache } });
    expect(result['keyCache']).toBe(keyCache);
    // cache [row, head, position, headSize 8], capacity 16: the changed positions are 3 in row 0 and 9 in row 1
    const changed = Array.from(keyCache.data.keys()).filter((i) => keyCache.data[i] !== before[i]);
    const positions = new Set(changed.map((i) => `row ${Math.floor(i / 256)}: ${Math.floor(i / 8) % 16}`));
    expect([...positions]).toEqual(['row 0: 3', 'row 1: 9']);
    await attention.dispose();
  });

  test('says which input has which shape', () => {
    tf.tidy(() => {
      const tensors = toTensors(example(1, 1, 4, 3, [0]));
      expect(() => attend(tensors)).toThrow('4 query heads are not a multiple of 3 key heads');
      expect(() => attend({ ...tensors, lengths: tf.zeros([2], 'int32') })).toThrow(
        'lengths has shape [2], wanted [1]',
      );
    });
  });
});
