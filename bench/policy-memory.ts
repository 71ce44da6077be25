/**
 * Memory over many steps of changing shapes: sampling, forward + backward and an optimizer step on batches of random size and length.
 * `node --import tsx --conditions=tapo-source bench/policy-memory.ts [--steps 1000] [--json]`
 */
import { argument, batchOf, report, startEngine } from './policy-bench.js';

const engine = await startEngine('0.1M', { threads: 1 });
const steps = Number(argument('steps', '1000'));
const rows = [];
let state = 1;
const random = (below: number) => (state = (state * 48271) % 2147483647) % below;
for (let step = 1; step <= steps; step++) {
  const lengths = Array.from({ length: 1 + random(24) }, () => 1 + random(250));
  const batch = batchOf(lengths, 112);
  await Promise.all(
    lengths.map(async (length, i) => {
      const options = { maxTokens: 1 + random(20), stop: [], temperature: 1, topP: 1, topK: 0, seed: step };
      const tokens = Array.from({ length: 1 + (length % 90) }, () => 5 + random(80));
      await engine.policy.sample({ sequenceId: `${step}/${i}`, tokens, ...options });
      await engine.policy.release(`${step}/${i}`);
    }),
  );
  await engine.learner.forwardBackward(batch, { name: 'cross-entropy' });
  await engine.learner.optimizerStep({ learningRate: 1e-4 });
  if (step % Math.max(1, Math.floor(steps / 20)) === 0) {
    const { compilations, cacheBytes } = await engine.statistics();
    const { rss, heapUsed } = process.memoryUsage();
    const megabytes = (bytes: number) => bytes / 2 ** 20;
    rows.push({
      step,
      'RSS MiB': megabytes(rss),
      'heap MiB': megabytes(heapUsed),
      'cache MiB': megabytes(cacheBytes),
      compilations,
    });
  }
}
report('policy-memory', rows);
await engine.close();
