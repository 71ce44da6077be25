/**
 * What to do about lengths that vary: a recording per length, or lengths rounded up to buckets. Total time of 60 training
 * steps of random lengths 16 to 256, compilation included.
 * node --import tsx --conditions=tapo-source bench/tfjs-onnx-lengths.ts [size] [rows]
 */
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { compile } from '@tapo/tfjs-onnx';
import type { HostTensor } from '@tapo/tfjs-onnx';
import { initialise, plainBlocks, sizes, trainStep } from './tfjs-onnx-transformer.js';

const [name = '0.1M', rows = '4'] = process.argv.slice(2);
const size = sizes[name];
if (!size) throw new Error(`There is no size '${name}'; there are: ${Object.keys(sizes).join(', ')}.`);
await tf.setBackend('cpu');
const weights = initialise(size);
const names = Object.keys(weights);
const gradients = Object.fromEntries(
  names.map((each) => [`gradient/${each}`, { ...weights[each]!, data: new Float32Array(weights[each]!.data.length) }]),
);

/** The same sequence for every strategy. */
const lengths = Array.from({ length: 60 }, (_, i) => 16 + ((i * 7919) % 241));

const strategies: Record<string, (length: number) => number> = {
  'one per length': (length) => length,
  'multiples of 32': (length) => Math.ceil(length / 32) * 32,
  'powers of two': (length) => 2 ** Math.ceil(Math.log2(length)),
  'four per doubling': (length) => {
    const step = 2 ** Math.max(0, Math.ceil(Math.log2(length)) - 3);
    return Math.ceil(length / step) * step;
  },
};

const results = [];
for (const [strategy, rounded] of Object.entries(strategies)) {
  const f = compile(trainStep(size, plainBlocks, names), { threads: 2, cacheSize: 64 });
  const [start, before] = [performance.now(), process.cpuUsage()];
  let padded = 0;
  for (const length of lengths) {
    const shape = [Number(rows), rounded(length)];
    padded += shape[1]! - length;
    const tokens: HostTensor = { data: new Int32Array(shape[0]! * shape[1]!), shape, dtype: 'int32' };
    await f.run({ ...weights, ...gradients, tokens, targets: tokens }, { outputs: gradients });
  }
  const { user, system } = process.cpuUsage(before);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  results.push({
    strategy,
    sessions: f.compiledCount,
    paddingPercent: Math.round((100 * padded) / total),
    ms: Math.round(performance.now() - start),
    cpuMs: Math.round((user + system) / 1000),
  });
  await f.dispose();
}
console.log(JSON.stringify({ benchmark: 'lengths', size: name, rows: Number(rows), steps: lengths.length, results }));
console.table(results);
