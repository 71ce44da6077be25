import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { compile, exportOnnx, registerOnnxKernel, supportedKernels } from '@tapo/tfjs-onnx';
import type { HostTensor } from '@tapo/tfjs-onnx';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';

const vector = (...values: number[]): HostTensor => ({
  data: Float32Array.from(values),
  shape: [values.length],
  dtype: 'float32',
});

beforeEach(async () => {
  await tf.setBackend('cpu');
});

describe('bind', () => {
  test('repeats a run over the same memory, whatever it holds by then', async () => {
    const f = compile(({ x, total }) => ({ total: tf.add(total!, x!) }));
    const [x, total] = [vector(1, 2), vector(0, 0)];
    const step = f.bind({ x, total }, { outputs: { total } });
    await step();
    x.data.set([10, 20]);
    // (0, 0) + (1, 2) + (10, 20)
    expect((await step())['total']).toBe(total);
    expect(total.data).toEqual(Float32Array.of(11, 22));
    expect(f.compiledCount).toBe(1);
    await f.dispose();
    await expect(step()).rejects.toThrow('This compiled function was disposed of.');
  });

  test('outlives the release of its session, and outputs without memory share theirs', async () => {
    const f = compile(({ x }) => ({ y: tf.square(x!) }), { cacheSize: 1 });
    const x = vector(3);
    const square = f.bind({ x });
    const first = (await square())['y']!;
    await f.run({ x: vector(1, 2) }); // takes the only place
    x.data[0] = 4;
    expect((await square())['y']!.data[0]).toBe(16);
    x.data[0] = 5;
    const [again, later] = [await square(), await square()];
    expect([again['y'] === later['y'], first.data[0], f.compiledCount]).toEqual([true, 9, 3]);
    await f.dispose();
  });
});

test('a sum that a matrix product takes in leaves no chain of reshapes behind', async () => {
  const path = join(tmpdir(), `reshapes-${process.pid}.onnx`);
  const linear = (x: tf.Tensor, w: tf.Tensor) => tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D);
  const block = ({ x, w, c }: Record<string, tf.Tensor>) => {
    const sum = tf.add(tf.reshape(linear(x!, w!), [1, 2, 3]), c!);
    return { y: linear(tf.reshape(sum, [2, 3]), w!) };
  };
  const type = (...shape: number[]) => ({ shape, dtype: 'float32' as const });
  await exportOnnx(block, { x: type(2, 3), w: type(3, 3), c: type(1, 2, 3) }, path);
  const operators = (await readFile(path)).toString('latin1').match(/Reshape|Gemm|Add/g);
  await rm(path);
  // c becomes [2, 3] and goes into the first product, whose result the second takes as it is
  expect(operators).toEqual(['Reshape', 'Gemm', 'Gemm']);
});

describe('signatures', () => {
  test('one recording per names, shapes and dtypes; the order of names does not matter', async () => {
    let traced = 0;
    const f = compile(({ x, y }) => {
      traced += 1;
      return { sum: tf.add(x!, y!) };
    });
    expect((await f.run({ x: vector(1, 2), y: vector(3, 4) }))['sum']!.data).toEqual(Float32Array.of(4, 6));
    await f.run({ y: vector(3, 4), x: vector(5, 6) });
    expect([f.compiledCount, traced]).toEqual([1, 1]);
    await f.run({ x: vector(1, 2, 3), y: vector(1, 2, 3) });
    await f.run({ x: vector(1, 2), y: { data: Int32Array.of(1, 2), shape: [2], dtype: 'int32' } });
    expect([f.compiledCount, traced]).toEqual([3, 3]);
    await f.dispose();
  });

  test('concurrent first runs record once', async () => {
    const f = compile(({ x }) => ({ y: tf.square(x!) }));
    const results = await Promise.all([2, 3, 4].map((x) => f.run({ x: vector(x) })));
    expect(results.map((result) => result['y']!.data[0])).toEqual([4, 9, 16]);
    expect(f.compiledCount).toBe(1);
    await f.dispose();
  });

  test('the cache keeps the signatures used last', async () => {
    const f = compile(({ x }) => ({ y: tf.neg(x!) }), { cacheSize: 2 });
    const run = (length: number) => f.run({ x: vector(...Array<number>(length).fill(1)) });
    await run(1);
    await run(2);
    await run(1); // now 2 is the oldest
    await run(3); // 2 goes
    await run(1);
    expect(f.compiledCount).toBe(3);
    await run(2); // compiled anew
    expect([f.compiledCount, f.cachedCount]).toEqual([4, 2]);
    await f.dispose();
  });
});

describe('what f may use', () => {
  test('nothing at all: outputs that are inputs, constants, or one value twice', async () => {
    const f = compile(({ x }) => {
      const twice = tf.mul(x!, 2);
      return { same: x!, constant: tf.tensor1d([7, 8]), a: twice, b: twice, ones: tf.ones([2, 2]) };
    });
    const result = await f.run({ x: vector(1, 2) });
    expect(Object.fromEntries(Object.entries(result).map(([name, { data }]) => [name, [...data]]))).toEqual({
      same: [1, 2],
      constant: [7, 8],
      a: [2, 4],
      b: [2, 4],
      ones: [1, 1, 1, 1],
    });
    await f.dispose();
  });

  test('inputs and outputs of the same name', async () => {
    const f = compile(({ weight }) => ({ weight: tf.mul(weight!, 3) }));
    expect((await f.run({ weight: vector(2) }))['weight']!.data[0]).toBe(6);
    await f.dispose();
  });

  test('tensors of another backend become constants, untouched', async () => {
    const captured = tf.tensor1d([10, 20]);
    const f = compile(({ x }) => ({ y: tf.add(x!, captured) }));
    expect((await f.run({ x: vector(1, 2) }))['y']!.data).toEqual(Float32Array.of(11, 22));
    expect([...captured.dataSync()]).toEqual([10, 20]);
    captured.dispose();
    expect((await f.run({ x: vector(5, 5) }))['y']!.data).toEqual(Float32Array.of(15, 25));
    await f.dispose();
  });

  test('an assigned variable is noticed', async () => {
    const offset = tf.variable(tf.tensor1d([1]));
    const f = compile(({ x }) => ({ y: tf.add(x!, offset) }));
    expect((await f.run({ x: vector(1) }))['y']!.data[0]).toBe(2);
    await f.run({ x: vector(1) });
    expect(f.compiledCount).toBe(1);
    offset.assign(tf.tensor1d([5]));
    expect((await f.run({ x: vector(1) }))['y']!.data[0]).toBe(6);
    expect(f.compiledCount).toBe(2);
    offset.dispose();
    await f.dispose();
  });

  test('constants are seen among the inputs', async () => {
    const f = compile(({ x, w }) => ({ y: tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D) }), {
      constants: { w: { data: Float32Array.of(1, 2, 3, 4), shape: [2, 2], dtype: 'float32' } },
    });
    // [1 1] · [[1 2] [3 4]] = [4 6]
    expect((await f.run({ x: { data: Float32Array.of(1, 1), shape: [1, 2], dtype: 'float32' } }))['y']!.data).toEqual(
      Float32Array.of(4, 6),
    );
    await expect(f.run({ x: vector(1), w: vector(1) })).rejects.toThrow("'w' is a constant");
    await f.dispose();
  });

  test('large constants, kept beside the model', async () => {
    const data = Float32Array.from({ length: 1 << 16 }, (_, i) => i % 7);
    const f = compile(({ x, w }) => ({ y: tf.sum(tf.mul(x!, w!)) }), {
      constants: { w: { data, shape: [1 << 16], dtype: 'float32' } },
    });
    const sum = data.reduce((total, value) => total + value, 0);
    expect((await f.run({ x: { data: Float32Array.of(2), shape: [], dtype: 'float32' } }))['y']!.data[0]).toBe(2 * sum);
    await f.dispose();
  });

  test('valueAndGrads, customGrad and second derivatives', async () => {
    const hundredfold = tf.customGrad((x) => ({
      value: tf.square(x as tf.Tensor),
      gradFunc: (dy: tf.Tensor) => tf.mul(dy, 100),
    }));
    const f = compile(({ x }) => {
      const { value, grads } = tf.valueAndGrads((t) => tf.sum(tf.pow(t!, 3)) as tf.Scalar)([x!]);
      const custom = tf.grad((t: tf.Tensor) => tf.sum(hundredfold(t)))(x!);
      const second = tf.grad((t: tf.Tensor) => tf.sum(tf.grad((u: tf.Tensor) => tf.sum(tf.pow(u, 3)))(t)))(x!);
      return { value, first: grads[0]!, custom, second };
    });
    const result = await f.run({ x: vector(1, 2) });
    expect(result['value']!.data[0]).toBe(9); // 1 + 8
    expect([...result['first']!.data]).toEqual([3, 12]); // 3x²
    expect([...result['second']!.data]).toEqual([6, 12]); // 6x
    expect([...result['custom']!.data]).toEqual([100, 100]);
    await f.dispose();
  });
});

describe('functions of single tensors', () => {
  test('take tfjs tensors or host tensors, and give tfjs tensors', async () => {
    const f = compile((x: tf.Tensor, y: tf.Tensor) => tf.mul(x, y));
    const x = tf.tensor1d([1, 2]);
    const product = await f(x, vector(3, 4));
    expect([...product.dataSync()]).toEqual([3, 8]);
    tf.dispose([x, product]);
    expect(f.compiledCount).toBe(1);
    await f.dispose();
  });

  test('may return several', async () => {
    const f = compile((x: tf.Tensor) => [tf.neg(x), tf.sum(x)]);
    const results = await f(vector(1, 2));
    expect(results.map((result) => [...result.dataSync()])).toEqual([[-1, -2], [3]]);
    tf.dispose(results);
    await f.dispose();
  });
});

describe('memory for outputs', () => {
  test('is written and returned', async () => {
    const f = compile(({ x }) => ({ y: tf.mul(x!, 2) }));
    const y = vector(0, 0);
    const result = await f.run({ x: vector(1, 2) }, { outputs: { y } });
    expect(result['y']).toBe(y);
    expect([...y.data]).toEqual([2, 4]);
    await f.dispose();
  });

  test('an input updated in place, step after step', async () => {
    const f = compile(({ weight, gradient }) => ({ weight: tf.sub(weight!, tf.mul(gradient!, 0.5)) }));
    const weight = vector(10);
    for (let step = 0; step < 3; step++) await f.run({ weight, gradient: vector(2) }, { outputs: { weight } });
    expect(weight.data[0]).toBe(7); // 10 − 3 · 0.5 · 2
    await f.dispose();
  });

  test('an input that is still needed when the output over it is ready', async () => {
    // b may be computed after a; writing a first would make b = 100 + 1, and the swap lose one side
    const f = compile(({ a, b }) => ({ a: tf.mul(b!, 100), b: tf.add(a!, 1), early: tf.exp(tf.sum(a!)) }));
    for (let attempt = 0; attempt < 5; attempt++) {
      const [a, b] = [vector(1, 1), vector(2, 2)];
      const result = await f.run({ a, b }, { outputs: { a, b } });
      expect([[...a.data], [...b.data], result['early']!.data[0]]).toEqual([
        [200, 200],
        [2, 2],
        Math.fround(Math.exp(2)),
      ]);
    }
    await f.dispose();
  });

  test('a gradient step over all parameters at once', async () => {
    // y = w2 · (w1 · x), loss = y²: the gradient of w1 needs w2 as it was. x = 1, w1 = 2, w2 = 3, y = 6:
    // dw1 = 2y·w2 = 36, dw2 = 2y·w1 = 24
    const f = compile(({ w1, w2 }) => {
      const { grads } = tf.valueAndGrads((a, b) => tf.sum(tf.square(tf.mul(a!, b!))) as tf.Scalar)([w1!, w2!]);
      return { w2: tf.sub(w2!, grads[1]!), w1: tf.sub(w1!, grads[0]!) };
    });
    const [w1, w2] = [vector(2), vector(3)];
    await f.run({ w1, w2 }, { outputs: { w1, w2 } });
    expect([w1.data[0], w2.data[0]]).toEqual([-34, -21]);
    await f.dispose();
  });

  test('views into one buffer that overlap', async () => {
    const buffer = new Float32Array([1, 2, 3, 4]);
    const view = (from: number): HostTensor => ({
      data: buffer.subarray(from, from + 2),
      shape: [2],
      dtype: 'float32',
    });
    const f = compile(({ x }) => ({ y: tf.mul(x!, 10) }));
    await f.run({ x: view(0) }, { outputs: { y: view(1) } });
    expect([...buffer]).toEqual([1, 10, 20, 4]);
    await f.dispose();
  });

  test('of the wrong name, shape or dtype is refused', async () => {
    const f = compile(({ x }) => ({ y: tf.neg(x!) }));
    const x = vector(1, 2);
    await expect(f.run({ x }, { outputs: { z: x } })).rejects.toThrow("no output 'z' to write; there are: y");
    await expect(f.run({ x }, { outputs: { y: vector(1) } })).rejects.toThrow(
      "Output 'y' is float32 [2], the memory given for it float32 [1]",
    );
    await f.dispose();
  });
});

describe('errors', () => {
  test('reading a value says what to do', async () => {
    const f = compile(({ x }) => ({ y: x!.dataSync()[0]! > 0 ? x! : tf.neg(x!) }));
    await expect(f.run({ x: vector(1) })).rejects.toThrow(/A traced tensor has no values.*tf\.where/);
    expect(tf.getBackend()).toBe('cpu');
  });

  test('a missing kernel says its name and how to register it; registered, it works', async () => {
    const f = compile(({ sorted, x }) => ({ y: tf.lowerBound(sorted as tf.Tensor1D, x as tf.Tensor1D) }));
    const inputs = { sorted: vector(1, 3, 3, 5), x: vector(0, 3, 4) };
    await expect(f.run(inputs)).rejects.toThrow("registerOnnxKernel('SearchSorted'");
    registerOnnxKernel('SearchSorted', ({ inputs: { sortedSequence, values }, graph }) => {
      const column = graph.reshape(sortedSequence!, [4, 1]);
      const smaller = graph.elementwise('Less', [column, values!], 'bool');
      const axis = graph.integers([0]);
      const options = { attributes: { keepdims: 1 } };
      return graph.node('ReduceSum', [graph.cast(smaller, 'int32'), axis], { shape: [1, 3], dtype: 'int32' }, options);
    });
    // how many of 1 3 3 5 are smaller than 0, 3, 4
    expect([...(await f.run(inputs))['y']!.data]).toEqual([0, 1, 3]);
    expect(supportedKernels()).toContain('SearchSorted');
    await f.dispose();
  });

  const image = { data: new Float32Array(48), shape: [1, 4, 4, 3], dtype: 'float32' as const };
  const volume = { data: new Float32Array(64), shape: [1, 4, 4, 4, 1], dtype: 'float32' as const };
  const gradient = (f: (x: tf.Tensor5D) => tf.Tensor) => tf.grad((x: tf.Tensor) => tf.sum(f(x as tf.Tensor5D)));
  test.each<[string, HostTensor, (x: tf.Tensor) => tf.Tensor]>([
    ['Complex', image, (x) => tf.abs(tf.complex(x, x))],
    ['RotateWithOffset', image, (x) => tf.image.rotateWithOffset(x as tf.Tensor4D, 1)],
    ['Dilation2D', image, (x) => tf.dilation2d(x as tf.Tensor4D, tf.zeros([2, 2, 3]), 1, 'same')],
    ['MaxPoolWithArgmax', image, (x) => tf.maxPoolWithArgmax(x as tf.Tensor4D, 2, 2, 'same')['indexes']!],
    ['Unique', vector(1, 1), (x) => tf.unique(x).values],
    ['AvgPool3DGrad', volume, gradient((x) => tf.avgPool3d(x, 2, 2, 'same'))],
    ['Conv3DBackpropInputV2', volume, gradient((x) => tf.conv3d(x, tf.ones([2, 2, 2, 1, 1]), 1, 'same'))],
  ])('%s, which is not there, is named when the function is recorded', async (name, x, operation) => {
    const f = compile(({ x }) => ({ y: operation(x!) }));
    await expect(f.run({ x })).rejects.toThrow(`The tfjs kernel ${name} has no ONNX form yet. Register one:`);
    expect(tf.getBackend()).toBe('cpu');
    await f.dispose();
  });

  test('an input that is missing or misspelt is named, beside those that were given', async () => {
    const f = compile(({ weight, x }) => ({ y: tf.mul(x!, weight!) }), { constants: { scale: vector(2) } });
    const message = "asked for 'weight' among its inputs, and was given 'x', 'weigth', 'scale'. Check the names.";
    await expect(f.run({ x: vector(1), weigth: vector(3) })).rejects.toThrow(message);
    await expect(f.run({})).rejects.toThrow("asked for 'weight', 'x' among its inputs, and was given 'scale'.");
    // The next run is not the worse for it.
    expect((await f.run({ x: vector(2), weight: vector(3) }))['y']!.data[0]).toBe(6);
    await f.dispose();
  });

  test('an input that the function can do without may be left out', async () => {
    const f = compile(({ x, bias }) => ({ y: bias ? tf.add(x!, bias) : x! }));
    expect((await f.run({ x: vector(1) }))['y']!.data[0]).toBe(1);
    expect((await f.run({ x: vector(1), bias: vector(2) }))['y']!.data[0]).toBe(3);
    await f.dispose();
  });

  test('a throw inside f restores the backend and leaves no tensor', async () => {
    const before = tf.memory().numTensors;
    const f = compile(({ x }) => {
      tf.exp(x!);
      throw new Error('mine');
    });
    await expect(f.run({ x: vector(1) })).rejects.toThrow('mine');
    expect(tf.getBackend()).toBe('cpu');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('what is wrong with an input', async () => {
    const f = compile(({ x }) => ({ y: tf.neg(x!) }));
    await expect(f.run({ x: { ...vector(1), shape: [2] } })).rejects.toThrow(
      "'x': shape [2] has 2 elements, its data 1",
    );
    await expect(f.run({ x: { ...vector(1), dtype: 'int32' } })).rejects.toThrow(
      "'x': a int32 tensor keeps its data in a Int32Array",
    );
    await f.dispose();
    await expect(f.run({ x: vector(1) })).rejects.toThrow('disposed');
  });

  test('an index out of bounds is reported by name of the function', async () => {
    const f = compile(({ x, at }) => ({ y: tf.gather(x!, at as tf.Tensor1D) }), { name: 'lookup' });
    const at: HostTensor = { data: Int32Array.of(5), shape: [1], dtype: 'int32' };
    await expect(f.run({ x: vector(1, 2), at })).rejects.toThrow(/lookup.*out of data bounds/s);
    await f.dispose();
  });

  test('operations outside of a trace', () => {
    tf.setBackend('onnx');
    expect(() => tf.tidy(() => tf.exp(tf.scalar(1)))).toThrow('only inside a function given to compile()');
    tf.setBackend('cpu');
  });
});

describe('execution providers', () => {
  test('the one that computes is reported; one that is missing is passed over', async () => {
    const f = compile(({ x }) => ({ y: tf.square(x!) }), { executionProviders: ['cuda', 'cpu'] });
    expect(f.executionProvider).toBeUndefined();
    expect((await f.run({ x: vector(3) }))['y']!.data[0]).toBe(9);
    expect(['cuda', 'cpu']).toContain(f.executionProvider);
    await f.dispose();
  });
});

describe('housekeeping', () => {
  test('a signature that leaves the cache while it runs finishes first', async () => {
    const f = compile(({ x }) => ({ y: tf.square(x!) }), { cacheSize: 1 });
    const lengths = [1, 2, 3, 1, 2, 3];
    const results = await Promise.all(lengths.map((length) => f.run({ x: vector(...Array<number>(length).fill(3)) })));
    expect(results.map((result) => [...result['y']!.data])).toEqual(
      lengths.map((length) => Array<number>(length).fill(9)),
    );
    await f.dispose();
  });

  test('tensors: none is left by tracing and running', async () => {
    const before = tf.memory().numTensors;
    const f = compile(({ x }) => ({ y: tf.grad((t: tf.Tensor) => tf.sum(tf.softmax(t)))(x!) }));
    for (let length = 1; length < 5; length++) await f.run({ x: vector(...Array<number>(length).fill(1)) });
    expect(tf.memory().numTensors).toBe(before);
    await f.dispose();
  });

  test('memory: sessions and outputs that come and go leave nothing behind', async () => {
    const f = compile(({ x }) => ({ y: tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D, true) }), { cacheSize: 2 });
    // three lengths and room for two: every run compiles; each output has 512 · 512 · 4 bytes = 1 MiB
    const run = (step: number) =>
      f.run({ x: { data: new Float32Array((1 + (step % 3)) * 512), shape: [1 + (step % 3), 512], dtype: 'float32' } });
    for (let step = 0; step < 30; step++) await run(step);
    const before = process.memoryUsage().rss;
    for (let step = 0; step < 90; step++) await run(step);
    expect(f.cachedCount).toBe(2);
    expect(f.compiledCount).toBeGreaterThan(90);
    // Leaking the outputs alone would add 90 MiB.
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(45);
    await f.dispose();
  });
});
