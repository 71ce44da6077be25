import { batchOf, milliseconds, startEngine } from './policy-bench.js';
const t0 = performance.now();
const engine = await startEngine('135M', { threads: 2 });
console.log(engine.info.parameters, engine.info.workers, 'start s', ((performance.now() - t0) / 1000).toFixed(1));
const options = { stop: ['zzz'], temperature: 1, topP: 1, topK: 0 };
for (const n of [4, 4, 16]) { const ms = await milliseconds(() => Promise.all(Array.from({ length: n }, (_, i) => engine.policy.sample({ sequenceId: `${n}/${i}/${Math.random()}`, tokens: Array.from({ length: 60 }, (_, t) => 100 + t + i), maxTokens: 8, seed: i, ...options })))); console.log('sample', n, 'ms', ms.toFixed(0), await engine.statistics()); }
const batch = batchOf([64, 60], 49152);
for (let k = 0; k < 2; k++) { const fb = await milliseconds(async () => console.log('loss', (await engine.learner.forwardBackward(batch, { name: 'cross-entropy' })).loss)); const o = await milliseconds(() => engine.learner.optimizerStep({ learningRate: 1e-4 })); console.log('fb ms', fb.toFixed(0), 'opt ms', o.toFixed(0)); }
console.log('rss MiB', (process.memoryUsage().rss / 2 ** 20).toFixed(0));
await engine.close();
