/**
 * How cost grows with length, batch and layers: one of them doubles, the others stay. The exponent is the slope of log time
 * over log size by least squares: 1 is linear, below it small sizes leave the machine idle, 2 is quadratic.
 *
 *     node --import tsx --conditions=tapo-source bench/growth.ts [--rounds 3] [--json]
 */
import { createLocalEngine, initializeParameters } from '@tapo/policy';

import { randomModel } from '../apps/trainer/src/bench/models.js';
import { median } from './alternate.js';
import { argument, batchOf, milliseconds, report, sampleRounds } from './policy-bench.js';

const base = { length: 128, rows: 16, layers: 4 };
const ranges: Record<keyof typeof base, number[]> = {
  length: [32, 64, 128, 256, 512],
  rows: [4, 8, 16, 32, 64],
  layers: [2, 4, 8, 16],
};
const rounds = Number(argument('rounds', '3'));
const exponents: Record<string, string | number>[] = [];

for (const [what, values] of Object.entries(ranges)) {
  const rows: { size: number; 'train ms': number; 'sampling ms': number }[] = [];
  for (const size of values) rows.push({ size, ...(await measure({ ...base, [what]: size })) });
  report(
    `growth with ${what}`,
    rows.map(({ size, ...times }) => ({ [what]: size, ...times })),
  );
  const exponent = (name: 'train ms' | 'sampling ms') =>
    slope(rows.map((row) => [Math.log(row.size), Math.log(row[name])]));
  exponents.push({ 'grows with': what, training: exponent('train ms'), sampling: exponent('sampling ms') });
}
report('growth, exponents', exponents);

/** Medians of a training step of rows × length, and of sampling `length` tokens in `rows` sequences. */
async function measure({ length, rows, layers }: typeof base): Promise<{ 'train ms': number; 'sampling ms': number }> {
  const { tokenizer, config: four } = randomModel('1M');
  const config = { ...four, numHiddenLayers: layers };
  const parameters = initializeParameters(config, { seed: 1, linearStd: 'fan-in', embeddingStd: 0.2 });
  const engine = await createLocalEngine({ config, parameters, tokenizer });
  const batch = batchOf(Array<number>(rows).fill(length), config.vocabSize);
  const train = async () => {
    await engine.learner.forwardBackward(batch, { name: 'cross-entropy' });
    await engine.learner.optimizerStep({ learningRate: 1e-4 });
  };
  const prompts = Array.from({ length: rows }, (_, i) => [5 + i]);
  const sample = sampleRounds(engine, prompts, length);
  const times = async (action: () => Promise<void>) => {
    await action(); // compiles
    const all: number[] = [];
    for (let i = 0; i < rounds; i++) all.push(await milliseconds(action));
    return median(all);
  };
  const result = { 'train ms': await times(train), 'sampling ms': await times(sample) };
  await engine.close();
  return result;
}

/** Of the least-squares line through points. */
function slope(points: readonly (readonly number[])[]): number {
  const mean = (at: number) => points.reduce((sum, point) => sum + point[at]!, 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const covariance = points.reduce((sum, point) => sum + (point[0]! - x) * (point[1]! - y), 0);
  return covariance / points.reduce((sum, point) => sum + (point[0]! - x) ** 2, 0);
}
