/**
 * The engines that npm brings, side by side: the compiled one, tfjs's WASM and plain JavaScript backends, and tfjs-node's
 * native binding where it loads or can be built (interop/tfjs-node). One model, one batch, in turns within one run.
 *
 *     node --import tsx --conditions=tapo-source bench/backends.ts [--size 0.1M] [--rows 8] [--length 64] [--rounds 3] [--json]
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { chooseBackend, type BackendName } from '@tapo/policy';

import { buildBinding, withBinding } from '../interop/tfjs-node/binding.js';
import { alternate, type Contestant } from './alternate.js';
import { argument, batchOf, modelConfig, report, sampleRounds, startEngine, type Size } from './policy-bench.js';

const [SEQUENCES, SAMPLED] = [16, 32];
const backends: BackendName[] = ['compiled', 'tfjs-node', 'wasm', 'cpu'];
const MEASURING = 'TAPO_BENCH_BACKENDS';

if (process.env[MEASURING] || !tryBinding()) await measure();

/** Runs this file again with tfjs-node's binding in its place; false where there is none to be had. */
function tryBinding(): boolean {
  let binding: string;
  try {
    binding = buildBinding();
  } catch (error) {
    console.log(`tfjs-node: its binding cannot be built here. ${(error as Error).message}`);
    return false;
  }
  const again = [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const env = { ...process.env, [MEASURING]: '1', TF_CPP_MIN_LOG_LEVEL: '3' };
  const { status } = withBinding(binding, () => spawnSync(process.execPath, again, { stdio: 'inherit', env }));
  process.exitCode = status ?? 1;
  return true;
}

async function measure(): Promise<void> {
  const size = argument('size', '0.1M') as Size;
  const [rows, length] = [Number(argument('rows', '8')), Number(argument('length', '64'))];
  const batch = batchOf(Array<number>(rows).fill(length), modelConfig(size).vocabSize);
  const training: Contestant[] = [];
  const sampling: Contestant[] = [];
  const engines = [];
  for (const backend of backends) {
    const problem = await chooseBackend({ backend }).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (problem !== undefined) {
      console.log(`left out: ${problem}`);
      continue;
    }
    const engine = await startEngine(size, { backend });
    engines.push(engine);
    training.push({
      name: backend,
      async run() {
        await engine.learner.forwardBackward(batch, { name: 'cross-entropy' });
        await engine.learner.optimizerStep({ learningRate: 1e-4, gradientClip: 1 });
      },
    });
    const prompts = Array.from({ length: SEQUENCES }, (_, i) => [5 + i, 6, 7]);
    sampling.push({ name: backend, run: sampleRounds(engine, prompts, SAMPLED) });
  }
  const rounds = Number(argument('rounds', '3'));
  const trained = await alternate(training, rounds);
  const sampled = await alternate(sampling, rounds);
  report(
    `backends, ${size}: training steps of ${rows} × ${length}, ${SEQUENCES} sequences of ${SAMPLED} tokens`,
    Object.keys(trained).map((name) => ({
      backend: name,
      'train tokens/s': (rows * length * 1000) / trained[name]!,
      'training: compiled is faster by': trained[name]! / trained['compiled']!,
      'sampled tokens/s': (SEQUENCES * SAMPLED * 1000) / sampled[name]!,
      'sampling: by': sampled[name]! / sampled['compiled']!,
    })),
  );
  for (const engine of engines) await engine.close();
}
