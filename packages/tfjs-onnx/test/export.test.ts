import '@tensorflow/tfjs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { compile, exportOnnx } from '@tapo/tfjs-onnx';
import type { HostTensor } from '@tapo/tfjs-onnx';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tfjs-onnx-'));
});
afterAll(() => rm(directory, { recursive: true }));

const weight: HostTensor = {
  data: Float32Array.from({ length: 600 }, (_, i) => Math.sin(i)),
  shape: [20, 30],
  dtype: 'float32',
};
const x: HostTensor = { data: Float32Array.from({ length: 40 }, (_, i) => i / 40), shape: [2, 20], dtype: 'float32' };

/** A value and its gradient, with an output of an input's name. */
const f = (tensors: Record<string, tf.Tensor>) => {
  const loss = (t: tf.Tensor) => tf.sum(tf.tanh(tf.matMul(t as tf.Tensor2D, tensors['weight'] as tf.Tensor2D)));
  const { value, grad } = tf.valueAndGrad(loss)(tensors['x']!);
  return { loss: value, x: tf.sub(tensors['x']!, grad) };
};

describe('exportOnnx', () => {
  test.each([
    { title: 'in one file', options: {}, files: 1 },
    { title: 'with its weights beside it', options: { externalThresholdBytes: 1000 }, files: 2 },
  ])('the file $title computes what the compiled function does', async ({ options, files }) => {
    const path = join(directory, `model${files}.onnx`);
    const exported = await exportOnnx(f, { x }, path, { constants: { weight }, ...options });
    expect(exported).toEqual({
      files: [path, `${path}.data`].slice(0, files),
      inputs: ['x'],
      outputs: ['loss', 'x:out'],
    });
    const compiled = compile(f, { constants: { weight } });
    const wanted = await compiled.run({ x });
    const session = await ort.InferenceSession.create(path);
    const got = await session.run({ x: new ort.Tensor('float32', x.data as Float32Array, x.shape) });
    expect(got['loss']!.data).toEqual(wanted['loss']!.data);
    expect(got['x:out']!.data).toEqual(wanted['x']!.data);
    await session.release();
    await compiled.dispose();
  });

  test('large weights are in the data file, not in the model', async () => {
    const path = join(directory, 'split.onnx');
    await exportOnnx(f, { x }, path, { constants: { weight }, externalThresholdBytes: 1000 });
    expect((await readFile(`${path}.data`)).byteLength).toBe(600 * 4);
    expect((await readFile(path)).byteLength).toBeLessThan(2400);
  });
});
