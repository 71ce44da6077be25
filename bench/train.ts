/**
 * A training step (forward, backward, clip, AdamW) against PyTorch: transformers' Qwen2 with its default attention, fused
 * AdamW, the same weights and the same rows of equal length. A product of two matrices takes its turn too: the peak.
 */
import { gflops, matrixProduct } from '../apps/trainer/src/bench/gemm.js';
import { alternate, type Contestant } from './alternate.js';
import { batchOf, loadIntoPython, modelConfig, startEngine, trainingFlops, type Size } from './policy-bench.js';
import type { BenchContext, Table } from './section.js';

const GEMM_SIZE = 2048;

/** [rows, tokens per row] */
const batches: Record<Size, [number, number]> = {
  '0.1M': [32, 128],
  '0.2M': [32, 128],
  '1M': [32, 128],
  '10M': [16, 128],
  '135M': [4, 256],
};

export async function train({ threads, python, rounds, sizes }: BenchContext): Promise<Table[]> {
  const product = await matrixProduct(GEMM_SIZE, threads);
  const table: Table = { title: `Training step, ${threads} threads`, rows: [] };
  for (const size of sizes) {
    const config = modelConfig(size);
    const [rows, length] = batches[size];
    const batch = batchOf(Array<number>(rows).fill(length), config.vocabSize);
    const engine = await startEngine(size, { threads });
    const losses: Record<string, number> = {};
    const contestants: Contestant[] = [
      { name: 'GEMM', run: product.run },
      {
        name: 'tapo',
        async run() {
          const { loss } = await engine.learner.forwardBackward(batch, { name: 'cross-entropy' });
          await engine.learner.optimizerStep({ learningRate: 1e-5, weightDecay: 0.1, gradientClip: 1 });
          losses['tapo'] ??= loss;
        },
      },
    ];
    if (python) {
      await loadIntoPython(python, config, await engine.parameters());
      const inRows = (values: Int32Array) =>
        Array.from({ length: rows }, (_, row) => [...values.subarray(row * length, (row + 1) * length)]);
      const data = { inputs: inRows(batch.inputs), targets: inRows(batch.targets) };
      contestants.push({
        name: 'torch',
        async run() {
          const { ms, loss } = await python.call<{ ms: number; loss: number }>('train', data);
          losses['torch'] ??= loss;
          return ms;
        },
      });
    }
    const times = await alternate(contestants, size === '135M' ? Math.min(3, rounds) : rounds);
    const tokens = rows * length;
    const rate = trainingFlops(engine.info.parameters, rows, length, config) / times['tapo']! / 1e6;
    const peak = gflops(GEMM_SIZE, times['GEMM']!);
    table.rows.push({
      model: size,
      parameters: engine.info.parameters,
      batch: `${rows} × ${length}`,
      'tapo ms': times['tapo']!,
      ...(python && { 'torch ms': times['torch']!, ratio: times['torch']! / times['tapo']! }),
      'tokens/s': (tokens / times['tapo']!) * 1000,
      'GFLOP/s': rate,
      'GEMM GFLOP/s': peak,
      'share of peak': rate / peak,
      ...(python && { 'loss difference': Math.abs(losses['tapo']! - losses['torch']!) }),
    });
    await engine.close();
  }
  await product.dispose();
  return [table];
}
