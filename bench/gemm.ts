/** The machine's peak: the fastest product of two square matrices, by ONNX Runtime and by PyTorch. */
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { compile, type HostTensor } from '@tapo/tfjs-onnx';

import type { BenchContext, Table } from './run.js';

const sizes = [1024, 2048];

export async function gemmPeak(threads: number): Promise<{ gflops: number; table: Table }> {
  await tf.setBackend('cpu');
  const rows = [];
  for (const size of sizes) rows.push({ size, 'ONNX Runtime GFLOP/s': gflops(size, await fastest(size, threads)) });
  return {
    gflops: Math.max(...rows.map((row) => row['ONNX Runtime GFLOP/s'])),
    table: { title: `Matrix products, ${threads} threads`, rows },
  };
}

export async function gemm({ threads, python }: BenchContext): Promise<Table[]> {
  const { table } = await gemmPeak(threads);
  if (!python) return [table];
  for (const row of table.rows) {
    const size = row['size'] as number;
    row['torch GFLOP/s'] = gflops(size, (await python.call('gemm', { size, rounds: 8 })).ms);
  }
  return [table];
}

async function fastest(size: number, threads: number): Promise<number> {
  const product = compile(({ a, b }) => ({ product: tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D) }), { threads });
  const square = (): HostTensor => ({
    data: Float32Array.from({ length: size * size }, Math.random),
    shape: [size, size],
    dtype: 'float32',
  });
  const [a, b, result] = [square(), square(), square()];
  let best = Infinity;
  for (let round = 0; round < 8; round++) {
    const start = performance.now();
    await product.run({ a, b }, { outputs: { product: result } });
    best = Math.min(best, performance.now() - start);
  }
  await product.dispose();
  return best;
}

function gflops(size: number, ms: number): number {
  return (2 * size ** 3) / ms / 1e6;
}
