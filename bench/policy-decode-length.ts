/**
 * Decoding time over length: 16 sequences grow turn by turn, each turn a 16-token observation and 48 sampled tokens. With
 * a cache that is never computed again, the time of a token is a + b·length with a small b, and the time of a sequence nearly
 * linear; recomputed for every turn it would be quadratic.
 * `node --import tsx --conditions=tapo-source bench/policy-decode-length.ts [--size 0.2M] [--turns 32] [--rounds 8] [--svg FILE] [--json]`
 */
import { writeFile } from 'node:fs/promises';
import { argument, milliseconds, report, startEngine, type Size } from './policy-bench.js';
import { scatterPlot } from './scatter-plot.js';

const engine = await startEngine(argument('size', '0.2M') as Size, { threads: Number(argument('threads', '1')) });
const turns = Number(argument('turns', '32'));
const rounds = Number(argument('rounds', '8'));
const points: { length: number; milliseconds: number }[] = [];
for (let round = 0; round <= rounds; round++) {
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

const TURN = 64;
/** from the beginning of the sequence to its length, in milliseconds */
const cumulative = best.map((_, turn) => ({
  x: (turn + 1) * TURN,
  y: TURN * best.slice(0, turn + 1).reduce((sum, point) => sum + point.milliseconds, 0),
}));
const line = fit(cumulative);
const exponent = fit(cumulative.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }))).slope;
report('policy-decode-length', best.map((point, turn) => ({ length: point.length, 'ms/step': point.milliseconds, 'ms since the start': cumulative[turn]!.y }))); // prettier-ignore
report('policy-decode-length-fit', [{ 'ms per token of 16 sequences': line.slope, r2: line.r2, exponent }]);
const svg = argument('svg', '');
if (svg !== '') {
  const title = `Decoding 16 sequences: ${line.slope.toFixed(2)} ms per token, R² ${line.r2.toFixed(4)}, exponent ${exponent.toFixed(2)}`;
  const names = { x: 'length of the sequences, tokens', y: 'ms since the start' };
  await writeFile(svg, scatterPlot(cumulative, { x: turns * TURN, ...line }, { title, ...names }));
}
await engine.close();

/** Least squares of y = intercept + slope · x, and the share of the variance that it explains. */
function fit(all: readonly { x: number; y: number }[]): { intercept: number; slope: number; r2: number } {
  const mean = (of: 'x' | 'y') => all.reduce((sum, point) => sum + point[of], 0) / all.length;
  const [x, y] = [mean('x'), mean('y')];
  const spread = all.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
  const slope = all.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) / spread;
  const intercept = y - slope * x;
  const residual = all.reduce((sum, point) => sum + (point.y - intercept - slope * point.x) ** 2, 0);
  return { intercept, slope, r2: 1 - residual / all.reduce((sum, point) => sum + (point.y - y) ** 2, 0) };
}
