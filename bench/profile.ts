/**
 * Where a training step's time goes: ONNX Runtime's own profile of forward + backward, summed up by operator.
 * `node --import tsx --conditions=tapo-source bench/profile.ts [--size 1M] [--rows 16] [--length 128] [--threads 1] [--top 14]`
 */
import '@tensorflow/tfjs';
import { initializeParameters } from '@tapo/policy';
import { compile } from '@tapo/tfjs-onnx';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createLocalLearner } from '../packages/policy/src/engine/learner.js';
import { createParameterStore } from '../packages/policy/src/engine/parameter-store.js';
import type { Runner } from '../packages/policy/src/engine/runner.js';
import { argument, batchOf, modelConfig, report, type Size } from './policy-bench.js';

const size = argument('size', '1M') as Size;
const [rows, length, threads] = [argument('rows', '16'), argument('length', '128'), argument('threads', '1')].map(
  Number,
) as [number, number, number];
const config = modelConfig(size);
const directory = await mkdtemp(join(tmpdir(), 'tapo-profile-'));
const compiled: { dispose(): Promise<void> }[] = [];
const runner: Runner = {
  backend: 'compiled',
  threads,
  prepare(f, { name }) {
    const prepared = compile(f, { name, threads, profilePrefix: join(directory, name) });
    compiled.push(prepared);
    return prepared;
  },
};
const store = createParameterStore(initializeParameters(config, { seed: 1 }));
const limits = { microBatchTokens: rows * length, gradientCheckpointing: false, compiledShapes: 4 };
const learner = createLocalLearner(store, config, runner, limits);
const batch = batchOf(Array<number>(rows).fill(length), config.vocabSize);
const rounds = 5;
for (let round = 0; round < rounds; round++) await learner.forwardBackward(batch, { name: 'cross-entropy' });
for (const { dispose } of compiled) await dispose();

interface ProfileEvent {
  name: string;
  dur: number;
  args?: { op_name?: string; input_type_shape?: unknown[]; output_type_shape?: unknown[] };
}
const [file] = await readdir(directory);
const events = JSON.parse(await readFile(join(directory, file as string), 'utf8')) as ProfileEvent[];
await rm(directory, { recursive: true });
const kernels = events.filter(({ name }) => name.endsWith('_kernel_time'));
const byOperator = new Map<string, { calls: number; us: number }>();
const shapes = (list: unknown[] = []) =>
  list
    .flatMap((each) => Object.values(each as object))
    .map((s) => `[${s}]`)
    .join(' ');
for (const { dur, args = {} } of kernels) {
  const detail = process.argv.includes('--shapes')
    ? ` ${shapes(args.input_type_shape)} → ${shapes(args.output_type_shape)}`
    : '';
  const key = (args.op_name ?? '?') + detail;
  const known = byOperator.get(key) ?? { calls: 0, us: 0 };
  byOperator.set(key, { calls: known.calls + 1, us: known.us + dur });
}
const total = kernels.reduce((sum, { dur }) => sum + dur, 0);
const sorted = [...byOperator].toSorted(([, a], [, b]) => b.us - a.us).slice(0, Number(argument('top', '14')));
report(
  `Forward and backward, ${size}, ${rows} × ${length}, ${threads} threads: ${(total / rounds / 1000).toFixed(1)} ms`,
  sorted.map(([operator, { calls, us }]) => ({
    operator,
    'calls per step': calls / rounds,
    'ms per step': us / rounds / 1000,
    'share %': (100 * us) / total,
  })),
);
