/**
 * One training step (forward, backward, accumulation) of a small decoder: compiled, and on tfjs's WASM and CPU backends.
 * node --import tsx --conditions=tapo-source bench/tfjs-onnx-train.ts [size] [rows] [length] [threads] [rounds] [compiled]
 */
import { createRequire } from 'node:module';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { causalAttention, compile, linearTokenLogprobs, rmsNorm, rope } from '@tapo/tfjs-onnx';
import type { HostTensor } from '@tapo/tfjs-onnx';
import { initialise, plainBlocks, sizes, trainStep } from './tfjs-onnx-transformer.js';
import type { Blocks } from './tfjs-onnx-transformer.js';

const [name = '0.1M', rows = '4', length = '64', threads = '2', rounds = '5', only = ''] = process.argv.slice(2);
const size = sizes[name];
if (!size) throw new Error(`There is no size '${name}'; there are: ${Object.keys(sizes).join(', ')}.`);
const shape = [Number(rows), Number(length)];
const weights = initialise(size);
const names = Object.keys(weights);
const tokens: HostTensor = {
  data: Int32Array.from({ length: shape[0]! * shape[1]! }, () => Math.floor(Math.random() * size.vocabulary)),
  shape,
  dtype: 'int32',
};
const gradients = Object.fromEntries(
  names.map((weight) => [
    `gradient/${weight}`,
    { ...weights[weight]!, data: new Float32Array(weights[weight]!.data.length) },
  ]),
);
const inputs: Record<string, HostTensor> = { ...weights, ...gradients, tokens, targets: tokens };

const fusedBlocks: Blocks = {
  embed: plainBlocks.embed,
  rmsNorm,
  rope,
  attention: causalAttention,
  logprobs: (hidden, embedding, targets) => linearTokenLogprobs(hidden, embedding, targets).logprobs,
};

interface Contestant {
  name: string;
  step: () => Promise<void>;
  times: number[];
  cpuTimes: number[];
}

function compiled(title: string, blocks: Blocks): Contestant {
  const f = compile(trainStep(size!, blocks, names), { threads: Number(threads) });
  return { name: title, times: [], cpuTimes: [], step: () => f.run(inputs, { outputs: gradients }).then(() => {}) };
}

/** The WASM backend lacks UnsortedSegmentSum, the gradient of gather: there the embedding is a product with one-hot rows. */
const oneHotBlocks: Blocks = {
  ...plainBlocks,
  embed: (table, ids) => tf.matMul(tf.oneHot(ids, table.shape[0], 1, 0, 'float32') as tf.Tensor2D, table),
};

async function eager(backend: string): Promise<Contestant | undefined> {
  // a dependency of the package, not of the repository
  const { resolve } = createRequire(new URL('../packages/tfjs-onnx/package.json', import.meta.url));
  if (backend === 'wasm') await import(resolve('@tensorflow/tfjs-backend-wasm'));
  if (!(await tf.setBackend(backend))) return undefined;
  const blocks = backend === 'wasm' ? oneHotBlocks : plainBlocks;
  const step = async () => {
    await tf.setBackend(backend);
    const tensors = tf.tidy(() => {
      const all = Object.entries(inputs).map(([key, { data, shape: own, dtype }]) => [
        key,
        tf.tensor(data, own, dtype),
      ]);
      return trainStep(size!, blocks, names)(Object.fromEntries(all) as Record<string, tf.Tensor>);
    });
    await Promise.all(Object.values(tensors).map((tensor) => tensor.data()));
    tf.dispose(tensors);
  };
  return { name: `tfjs ${backend}`, times: [], cpuTimes: [], step };
}

await tf.setBackend('cpu');
const everything = only !== 'compiled';
const candidates = [
  compiled('compiled', plainBlocks),
  compiled('compiled, fused', fusedBlocks),
  everything ? await eager('wasm') : undefined,
  everything ? await eager('cpu') : undefined,
];
const failed: string[] = [];
const contestants = candidates.filter((each) => each !== undefined);
for (const each of contestants) {
  try {
    await each.step(); // tracing, building, warming up
  } catch (error) {
    failed.push(`${each.name}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    each.times = [NaN];
  }
}
for (let round = 0; round < Number(rounds); round++)
  for (const each of contestants.filter(({ times }) => !Number.isNaN(times[0]))) {
    const [start, before] = [performance.now(), process.cpuUsage()];
    await each.step();
    const { user, system } = process.cpuUsage(before);
    each.times.push(performance.now() - start);
    each.cpuTimes.push((user + system) / 1000);
  }
const median = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!;
const results = contestants
  .filter(({ times }) => !Number.isNaN(times[0]))
  .map((each) => ({
    name: each.name,
    ms: Number(median(each.times).toFixed(2)),
    // of all threads: less disturbed by whatever else the machine does
    cpuMs: Number(median(each.cpuTimes).toFixed(2)),
    tokensPerSecond: Math.round((shape[0]! * shape[1]! * 1000) / median(each.times)),
  }));
console.log(
  JSON.stringify({
    benchmark: 'train',
    size: name,
    rows: shape[0],
    length: shape[1],
    threads: Number(threads),
    results,
    failed,
  }),
);
console.table(results);
process.exit(0);
