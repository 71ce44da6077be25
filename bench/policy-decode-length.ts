/**
 * Decoding time over length: 16 sequences grow turn by turn, each turn a 16-token observation and 48 sampled tokens. With
 * a cache that is never computed again, the time of a token is a + b·length, and the time of a sequence a·n + b·n²/2.
 * `node --import tsx --conditions=tapo-source bench/policy-decode-length.ts [--size 0.2M] [--turns 32] [--svg FILE] [--json]`
 */
import { writeFile } from 'node:fs/promises';
import { argument, milliseconds, report, startEngine, type Size } from './policy-bench.js';
import { scatterPlot } from './scatter-plot.js';

const engine = await startEngine(argument('size', '0.2M') as Size, { threads: Number(argument('threads', '1')) });
const turns = Number(argument('turns', '32'));
const points: { length: number; milliseconds: number }[] = [];
for (let round = 0; round < 3; round++) {
  const sequences = Array.from({ length: 16 }, (_, i) => ({ sequenceId: `${round}/${i}`, tokens: [5 + i] }));
  for (let turn = 0; turn < turns; turn++) {
    const time = await milliseconds(() =>
      Promise.all(
        sequences.map(async (sequence, i) => {
          for (let t = 0; t < 16; t++) sequence.tokens.push(5 + ((turn + t) % 80));
          const options = { maxTokens: 48, stop: [], temperature: 1, topP: 1, topK: 0, seed: i };
          sequence.tokens.push(...(await engine.policy.sample({ ...sequence, ...options })).tokens);
        }),
      ),
    );
    if (round > 0) points.push({ length: turn * 64 + 32, milliseconds: time / 64 }); // the first round compiles
  }
  for (const { sequenceId } of sequences) await engine.policy.release(sequenceId);
}
const best = Array.from({ length: turns }, (_, turn) => {
  const length = turn * 64 + 32;
  return {
    length,
    milliseconds: Math.min(...points.filter((point) => point.length === length).map((p) => p.milliseconds)),
  };
});

/** Least squares of milliseconds = a + b·length, and the share of the variance it explains. */
function fit(): { a: number; b: number; r2: number } {
  const mean = (values: number[]) => values.reduce((x, y) => x + y, 0) / values.length;
  const x = best.map(({ length }) => length);
  const y = best.map((point) => point.milliseconds);
  const b =
    x.reduce((sum, value, i) => sum + (value - mean(x)) * (y[i]! - mean(y)), 0) /
    x.reduce((sum, value) => sum + (value - mean(x)) ** 2, 0);
  const a = mean(y) - b * mean(x);
  const residual = x.reduce((sum, value, i) => sum + (y[i]! - a - b * value) ** 2, 0);
  return { a, b, r2: 1 - residual / y.reduce((sum, value) => sum + (value - mean(y)) ** 2, 0) };
}

const { a, b, r2 } = fit();
report(
  'policy-decode-length',
  best.map((point) => ({ length: point.length, 'ms/step': point.milliseconds, 'fit ms/step': a + b * point.length })),
);
report('policy-decode-length-fit', [{ 'fixed ms/step': a, 'µs/step per position': b * 1000, r2 }]);
const svg = argument('svg', '');
if (svg !== '') {
  const points = best.map(({ length: x, milliseconds: y }) => ({ x, y }));
  const title = `One decoding step of 16 sequences: ${a.toFixed(2)} ms + ${(b * 1000).toFixed(2)} µs per position, R² ${r2.toFixed(4)}`;
  const line = { x: turns * 64, intercept: a, slope: b };
  await writeFile(svg, scatterPlot(points, line, { title, x: 'length of the sequences, tokens', y: 'ms per step' }));
}
await engine.close();
