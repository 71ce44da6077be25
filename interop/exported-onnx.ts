/** `exportOnnx`'s files run in Python's onnxruntime (from PyPI), with the results of the compiled function. */
import '@tensorflow/tfjs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { decodeStep, initializeParameters, parseModelConfig, tokenLogprobs } from '@tapo/policy';
import { cachedAttention, compile, exportOnnx, type HostTensor } from '@tapo/tfjs-onnx';
import * as tf from '@tensorflow/tfjs-core';

import { largestDifference, report, runPython } from './python.js';

type Tensors = Record<string, tf.Tensor>;

interface Example {
  f: (tensors: Tensors) => Tensors;
  inputs: Record<string, HostTensor>;
  constants?: Record<string, HostTensor>;
  /** constants of at least so many bytes go beside the file */
  externalThresholdBytes?: number;
}

const size = (shape: number[]) => shape.reduce((product, length) => product * length, 1);
/** Numbers in [−1, 1] that no two calls share. */
let calls = 0;
const floats = (...shape: number[]): HostTensor => {
  const phase = ++calls;
  return {
    data: Float32Array.from({ length: size(shape) }, (_, i) => Math.sin(phase + i * 1.7)),
    shape,
    dtype: 'float32',
  };
};
const ints = (shape: number[], below: number): HostTensor => ({
  data: Int32Array.from({ length: size(shape) }, (_, i) => (i * 7 + 3) % below),
  shape,
  dtype: 'int32',
});

const config = parseModelConfig({
  model_type: 'qwen2',
  vocab_size: 50,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
});
const parameters = initializeParameters(config, { seed: 1, embeddingStd: 0.3, linearStd: 'fan-in' });
const names = Object.keys(parameters);
const cacheShape = [3, config.numKeyValueHeads, 16, config.headDim];

const examples: Record<string, Example> = {
  'a forward pass, frozen weights beside the file': {
    f: ({ x, w1, w2 }) => ({ y: tf.softmax(tf.matMul(tf.relu(tf.matMul(x!, w1!)), w2!)), shifted: tf.greater(x!, 0) }),
    inputs: { x: floats(5, 40) },
    constants: { w1: floats(40, 64), w2: floats(64, 10) },
    externalThresholdBytes: 1000,
  },
  'a convolution and its gradient': {
    f: ({ image, filter }) => {
      const loss = (a: tf.Tensor, b: tf.Tensor) =>
        tf.sum(
          tf.square(tf.maxPool(tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'same'), 2, 2, 'valid')),
        ) as tf.Scalar;
      const { value, grads } = tf.valueAndGrads(loss)([image!, filter!]);
      return { value, image: grads[0]!, filter: grads[1]! };
    },
    inputs: { image: floats(2, 8, 8, 3), filter: floats(3, 3, 3, 4) },
  },
  'a gradient step of a Qwen2 policy, RMSNorm, RoPE, attention and token log-probabilities fused': {
    f: ({ tokens, targets, ...weights }) => {
      const loss = (...values: tf.Tensor[]) => {
        const current = Object.fromEntries(names.map((name, i) => [name, values[i]!]));
        return tf.neg(tf.mean<tf.Scalar>(tokenLogprobs(current, { tokens: tokens! }, targets!, config).logprobs));
      };
      const { value, grads } = tf.valueAndGrads(loss)(names.map((name) => weights[name]!));
      return {
        loss: value,
        ...Object.fromEntries(names.map((name, i) => [name, tf.sub(weights[name]!, tf.mul(grads[i]!, 0.1))])),
      };
    },
    inputs: { tokens: ints([3, 12], 50), targets: ints([3, 12], 49), ...parameters },
  },
  'a decoding step over a KV cache': {
    f: ({ tokens, lengths, keys, values }) => {
      const weights = Object.fromEntries(
        names.map((name) => [name, tf.tensor(parameters[name]!.data, parameters[name]!.shape)]),
      );
      const cache = { keys: [keys!, keys!], values: [values!, values!] };
      const { logits, cache: next } = decodeStep(weights, { tokens: tokens!, lengths: lengths!, cache }, config);
      return { logits, keys: next.keys[1]! };
    },
    inputs: {
      tokens: ints([3], 50),
      lengths: ints([3], 9),
      keys: floats(...cacheShape),
      values: floats(...cacheShape),
    },
  },
  cachedAttention: {
    f: ({ query, key, value, keyCache, valueCache, lengths }) => {
      const all = { query, key, value, keyCache, valueCache, lengths } as unknown as Parameters<
        typeof cachedAttention
      >[0];
      return { output: cachedAttention(all).output };
    },
    inputs: {
      query: floats(3, 1, 4, 8),
      key: floats(3, 1, 2, 8),
      value: floats(3, 1, 2, 8),
      lengths: ints([3], 9),
      keyCache: floats(...cacheShape),
      valueCache: floats(...cacheShape),
    },
  },
};

await tf.setBackend('cpu');
const root = await mkdtemp(join(tmpdir(), 'tapo-onnx-'));
const asked: Record<string, { path: string; inputs: object; outputs: Record<string, string> }> = {};
const wanted: Record<string, Record<string, HostTensor>> = {};
for (const [position, [name, { f, inputs, constants = {}, externalThresholdBytes }]] of Object.entries(
  examples,
).entries()) {
  const at = (tensor: string) => join(root, `${position}.${tensor.replaceAll(':', '_')}`);
  const path = join(root, `${position}.onnx`);
  const { outputs } = await exportOnnx(f, inputs, path, {
    constants,
    ...(externalThresholdBytes && { externalThresholdBytes }),
  });
  const files: Record<string, object> = {};
  for (const [input, { data, shape, dtype }] of Object.entries(inputs)) {
    files[input] = { file: at(input), shape, dtype };
    await writeFile(at(input), data);
  }
  asked[name] = {
    path,
    inputs: files,
    outputs: Object.fromEntries(outputs.map((output) => [output, at(`out.${output}`)])),
  };
  const compiled = compile(f, { constants });
  wanted[name] = await compiled.run(inputs);
  await compiled.dispose();
}
await writeFile(join(root, 'models.json'), JSON.stringify(asked));
console.log(`onnxruntime ${String(runPython('exported_onnx.py', [join(root, 'models.json')]))} in Python`);
for (const [name, { outputs }] of Object.entries(asked)) {
  const differences = await Promise.all(
    Object.entries(wanted[name]!).map(async ([output, { data }]) => {
      const { buffer } = Uint8Array.from(await readFile((outputs[output] ?? outputs[`${output}:out`])!));
      return largestDifference(data instanceof Uint8Array ? new Uint8Array(buffer) : new Float32Array(buffer), data);
    }),
  );
  report(`${name}: ${differences.length} outputs`, Math.max(...differences), 1e-5);
}
await rm(root, { recursive: true });
