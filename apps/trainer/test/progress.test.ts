import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { createProgress } from '../src/progress.js';

const metrics = { step: 1, reward: 0.5, accuracy: 0.75, callsPerProblem: 1.25, sampledTokensPerSecond: 21_000 };

function fakeStream(isTTY: boolean, columns: number) {
  const written: string[] = [];
  const stream = { isTTY, columns, write: (text: string) => written.push(text) > 0 } as unknown as NodeJS.WriteStream;
  return { stream, written };
}

it('a pipe gets one plain line per step', () => {
  const { stream, written } = fakeStream(false, 0);
  const progress = createProgress({ steps: 10, rolloutsPerStep: 8, stream });
  for (let i = 0; i < 8; i++) progress.rollout();
  progress.step(metrics);
  progress.close();
  expect(written).toEqual(['step  1/10  reward  0.50  accuracy  75%  calls 1.25  21.0K tokens/s\n']);
});

it('machines get one JSON object per step', () => {
  const { stream, written } = fakeStream(true, 80);
  createProgress({ steps: 10, rolloutsPerStep: 8, stream, json: true }).step(metrics);
  expect(written.map((line) => JSON.parse(line) as unknown)).toEqual([metrics]);
});

it.each([40, 80, 200])('a terminal of %i columns: the moving line never wraps', (columns) => {
  const { stream, written } = fakeStream(true, columns);
  const before = process.env['CI'];
  delete process.env['CI'];
  const progress = createProgress({ steps: 10, rolloutsPerStep: 8, stream });
  progress.step(metrics);
  for (let i = 0; i < 8; i++) progress.rollout();
  if (before !== undefined) process.env['CI'] = before;
  const moving = written.filter((text) => !text.endsWith('\n')).map((text) => stripVTControlCharacters(text).trim());
  expect(moving.some((text) => text.includes('1/10'))).toBe(true);
  expect(Math.max(...moving.map((text) => text.length))).toBeLessThan(columns);
});
