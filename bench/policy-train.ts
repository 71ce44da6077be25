/**
 * Training throughput: teacher-forced log-probabilities, forward + backward, and the optimizer step, rows of 40-150 tokens.
 * `node --import tsx --conditions=tapo-source bench/policy-train.ts [--sizes 0.2M,1M] [--threads 1,2] [--json]`
 */
import {
  argument,
  batchOf,
  median,
  milliseconds,
  modelConfig,
  report,
  startEngine,
  type Size,
} from './policy-bench.js';

const rows = [];
for (const size of argument('sizes', '0.1M,0.2M,1M').split(',') as Size[]) {
  for (const threads of argument('threads', '1,2').split(',').map(Number)) {
    const engine = await startEngine(size, { threads });
    const { vocabSize } = modelConfig(size);
    const lengths = Array.from({ length: size === '135M' ? 4 : 128 }, (_, i) => 40 + ((i * 37) % 111));
    const tokens = lengths.reduce((total, each) => total + each, 0);
    const batch = batchOf(lengths, vocabSize);
    const times = { forward: [] as number[], backward: [] as number[], optimizer: [] as number[] };
    const repeats = size === '135M' ? 2 : 6;
    for (let repeat = 0; repeat <= repeats; repeat++) {
      const forward = await milliseconds(() => engine.learner.logprobs(batch));
      const backward = await milliseconds(() => engine.learner.forwardBackward(batch, { name: 'cross-entropy' }));
      const optimizer = await milliseconds(() => engine.learner.optimizerStep({ learningRate: 1e-4 }));
      if (repeat === 0) continue; // compiles
      times.forward.push(forward);
      times.backward.push(backward);
      times.optimizer.push(optimizer);
    }
    rows.push({
      model: size,
      parameters: engine.info.parameters,
      threads,
      'logprobs tokens/s': (tokens / median(times.forward)) * 1000,
      'forward+backward tokens/s': (tokens / median(times.backward)) * 1000,
      'GFLOP/s (6ND)': (6 * engine.info.parameters * tokens) / median(times.backward) / 1e6,
      'optimizer ms': median(times.optimizer),
    });
    await engine.close();
  }
}
report('policy-train', rows);
