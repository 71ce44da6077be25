/** What the machine can do at most: the product of two square matrices, by ONNX Runtime and by PyTorch. */
import { gflops, matrixProduct } from '../apps/trainer/src/bench/gemm.js';
import { alternate, type Contestant } from './alternate.js';
import type { BenchContext, Table } from './section.js';

export async function gemm({ threads, python, rounds }: BenchContext): Promise<Table[]> {
  const table: Table = { title: `Matrix products, ${threads} threads`, rows: [] };
  for (const size of [1024, 2048]) {
    const product = await matrixProduct(size, threads);
    const contestants: Contestant[] = [{ name: 'ONNX Runtime', run: product.run }];
    if (python)
      contestants.push({ name: 'torch', run: async () => (await python.call('gemm', { size, rounds: 1 })).ms });
    const times = await alternate(contestants, rounds);
    const rates = Object.entries(times).map(([name, ms]) => [`${name} GFLOP/s`, gflops(size, ms)]);
    table.rows.push({ size, ...(Object.fromEntries(rates) as Record<string, number>) });
    await product.dispose();
  }
  return [table];
}
