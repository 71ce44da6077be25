import { compile, createArenaBudget } from '@tapo/tfjs-onnx';
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { workspaceBytes } from '../src/graph/workspace.js';

const vector = (length: number) => ({ data: new Float32Array(length), shape: [length], dtype: 'float32' as const });
/** two values in between, of which one is alive at a time with the next: 8 bytes per element */
const f = ({ x }: Record<string, tf.Tensor>) => ({ y: tf.sin(tf.cos(tf.sin(x!))) });

it('functions share a budget; a signature that is released gives its part back', async () => {
  const budget = createArenaBudget(8 * 100 + 8 * 10);
  const [first, second] = [compile(f, { memoryArena: budget, cacheSize: 1 }), compile(f, { memoryArena: budget })];
  await first.run({ x: vector(100) });
  expect(budget.taken).toBe(800);
  await second.run({ x: vector(11) }); // 88 bytes do not fit any more
  expect(budget.taken).toBe(800);
  await second.run({ x: vector(10) });
  expect(budget.taken).toBe(880);
  await first.run({ x: vector(5) }); // takes the place of the signature of 100; there was no room yet when it was built
  expect(budget.taken).toBe(80);
  await Promise.all([first.dispose(), second.dispose()]);
  expect(budget.taken).toBe(0);
});

it('results are the same with and without memory that is kept', async () => {
  const x = { ...vector(1000), data: Float32Array.from({ length: 1000 }, (_, i) => i / 100) };
  const results = await Promise.all(
    [true, false, createArenaBudget(0), createArenaBudget(1e6)].map(async (memoryArena) => {
      const compiled = compile(f, { memoryArena });
      const results = [await compiled.run({ x }), await compiled.run({ x })];
      await compiled.dispose();
      return results.map(({ y }) => y!.data);
    }),
  );
  for (const result of results.flat()) expect(result).toEqual(results[0]![0]);
});

it('one that needs more than 256 MiB keeps nothing', () => {
  const budget = createArenaBudget(2 ** 40);
  expect([budget.take(2 ** 28 + 1), budget.take(2 ** 28)]).toEqual([false, true]);
});

it('counts what is alive at once: not outputs, not reshapes, not what has been read for the last time', () => {
  const node = (opType: string, inputs: string[], output: string, size: number) => ({
    opType,
    domain: '',
    inputs,
    outputs: [output],
    attributes: {},
    types: [{ shape: [size], dtype: 'float32' as const }],
  });
  const nodes = [
    node('Sin', ['x'], 'a', 10), // 40
    node('Cos', ['a'], 'b', 10), // a, b: 80
    node('Reshape', ['b'], 'c', 10), // a, b: 80, since a is read again
    node('Exp', ['a'], 'd', 5), // a, b, d: 100
    node('Add', ['c', 'd'], 'y', 1000), // b, d: 60
  ];
  const outputs = [{ name: 'y', value: 'y', shape: [1000], dtype: 'float32' as const }];
  expect(workspaceBytes({ nodes, outputs })).toBe(100);
});
