import * as tf from '@tensorflow/tfjs';
import { compile, exportOnnx } from '@tapo/tfjs-onnx';
import type { HostTensor } from '@tapo/tfjs-onnx';
import { beforeEach, describe, expect, test } from 'vitest';

const vector = (...values: number[]): HostTensor => ({
  data: Float32Array.from(values),
  shape: [values.length],
  dtype: 'float32',
});

/** |a − b| ≤ tolerance (1 + |b|) for each element. */
function expectClose(a: tf.Tensor, b: tf.Tensor, tolerance: number): void {
  expect(a.shape).toEqual(b.shape);
  const wanted = b.dataSync();
  a.dataSync().forEach((value, i) =>
    expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(tolerance * (1 + Math.abs(wanted[i]!))),
  );
}

beforeEach(async () => {
  await tf.setBackend('cpu');
});

describe('variables', () => {
  test('one that is assigned in every step becomes an input: two recordings, however many steps', async () => {
    const weight = tf.variable(tf.tensor1d([1]));
    const f = compile(({ x }) => ({ y: tf.mul(x!, weight) }));
    for (let step = 1; step <= 5; step++) {
      weight.assign(tf.tensor1d([step]));
      expect((await f.run({ x: vector(10) }))['y']!.data[0]).toBe(10 * step);
    }
    expect(f.compiledCount).toBe(2);
    weight.dispose();
    await f.dispose();
  });

  test('are assigned by the compiled function after each run, and read back within it', async () => {
    const count = tf.variable(tf.scalar(0));
    const f = compile(({ x }) => {
      count.assign(tf.add(count, 1));
      return { y: tf.mul(x!, count) };
    });
    const before = tf.memory().numTensors;
    for (const step of [1, 2, 3]) {
      expect([...(await f.run({ x: vector(2, 3) }))['y']!.data]).toEqual([2 * step, 3 * step]);
      expect(count.dataSync()[0]).toBe(step);
    }
    expect(f.compiledCount).toBe(1);
    expect(tf.memory().numTensors).toBe(before);
    count.dispose();
    await f.dispose();
  });

  test('variableGrads', async () => {
    // y = Σ (w x)², dy/dw = 2 w x² = 2 · 3 · (1 + 4)
    const weight = tf.variable(tf.scalar(3), true, 'w');
    const f = compile(({ x }) => {
      const { value, grads } = tf.variableGrads(() => tf.sum(tf.square(tf.mul(x!, weight))), [weight]);
      return { value, gradient: grads['w']! };
    });
    const { value, gradient } = await f.run({ x: vector(1, 2) });
    expect([value!.data[0], gradient!.data[0]]).toEqual([45, 30]);
    weight.dispose();
    await f.dispose();
  });

  test('a whole step of an optimizer, as it goes on the CPU', async () => {
    const inputs = [0, 1, 2, 3].map((step) => tf.tensor2d([1, step, -step, 0.5], [2, 2]));
    const train = async (compiled: boolean) => {
      const weight = tf.variable(tf.tensor2d([0.1, -0.2, 0.3, 0.4], [2, 2]));
      const optimizer = tf.train.adam(0.1);
      const step = (x: tf.Tensor) =>
        optimizer.minimize(() => tf.mean(tf.square(tf.sub(tf.matMul(x, weight), 1))), true, [weight])!;
      step(inputs[0]!).dispose(); // the optimizer makes its moments
      const f = compile(step);
      const losses: number[] = [];
      for (const x of inputs.slice(1)) losses.push((compiled ? await f(x) : step(x)).dataSync()[0]!);
      return { losses, weight, compiledCount: f.compiledCount };
    };
    const [cpu, compiled] = [await train(false), await train(true)];
    expect(compiled.compiledCount).toBe(1);
    expectClose(compiled.weight, cpu.weight, 1e-6);
    compiled.losses.forEach((loss, i) => expect(loss).toBeCloseTo(cpu.losses[i]!, 5));
  });

  test('made inside, assigned another shape, or assigned in a file: refused with the remedy', async () => {
    const registered = Object.keys(tf.engine().state.registeredVariables);
    const made = compile(({ x }) => ({ y: tf.mul(x!, tf.variable(tf.scalar(2), true, 'inner')) }));
    await expect(made.run({ x: vector(1) })).rejects.toThrow(/made variables \('inner'\).*Make them before/);
    expect(Object.keys(tf.engine().state.registeredVariables)).toEqual(registered);
    const weight = tf.variable(tf.tensor1d([1, 2]), true, 'pair');
    const assign = ({ x }: Record<string, tf.Tensor>) => {
      weight.assign(x as tf.Tensor1D);
      return { x: x! };
    };
    await expect(compile(assign).run({ x: vector(1) })).rejects.toThrow("'pair' is float32 [2], assigned float32 [1]");
    await expect(exportOnnx(assign, { x: vector(1, 2) }, 'never-written.onnx')).rejects.toThrow(
      "cannot assign variables ('pair')",
    );
    expect([...weight.dataSync()]).toEqual([1, 2]); // untouched, and `assign` works again
    weight.assign(tf.tensor1d([3, 4]));
    expect([...weight.dataSync()]).toEqual([3, 4]);
    weight.dispose();
  });
});

describe('a model of tf.layers', () => {
  const dense = () =>
    tf.sequential({
      layers: [
        tf.layers.dense({
          inputShape: [4],
          units: 8,
          activation: 'relu',
          kernelInitializer: tf.initializers.glorotNormal({ seed: 1 }),
        }),
        tf.layers.layerNormalization(),
        tf.layers.dense({
          units: 3,
          activation: 'softmax',
          kernelInitializer: tf.initializers.glorotNormal({ seed: 2 }),
        }),
      ],
    });
  const image = () =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({
          inputShape: [6, 6, 2],
          filters: 3,
          kernelSize: 3,
          activation: 'elu',
          kernelInitializer: tf.initializers.glorotNormal({ seed: 1 }),
        }),
        tf.layers.batchNormalization(),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.upSampling2d({ size: [2, 2] }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 2, kernelInitializer: tf.initializers.glorotNormal({ seed: 2 }) }),
      ],
    });
  const recurrent = () =>
    tf.sequential({
      layers: [
        tf.layers.embedding({
          inputDim: 7,
          outputDim: 4,
          inputLength: 5,
          embeddingsInitializer: tf.initializers.randomNormal({ seed: 1 }),
        }),
        tf.layers.lstm({
          units: 3,
          kernelInitializer: tf.initializers.glorotNormal({ seed: 2 }),
          recurrentInitializer: tf.initializers.glorotNormal({ seed: 3 }),
        }),
        tf.layers.dense({ units: 1, kernelInitializer: tf.initializers.glorotNormal({ seed: 4 }) }),
      ],
    });
  const sines = (...shape: number[]) =>
    tf.sin(tf.mul(tf.reshape(tf.range(0, tf.util.sizeFromShape(shape)), shape), 1.7));

  // One image: with more, tfjs's CPU kernel of the gradient of upsampling reads the wrong rows.
  test.each([
    { name: 'dense', model: dense, x: () => sines(5, 4), y: () => sines(5, 3) },
    {
      name: 'convolution, batch normalisation, pooling, upsampling',
      model: image,
      x: () => sines(1, 6, 6, 2),
      y: () => sines(1, 2),
    },
    {
      name: 'embedding and LSTM',
      model: recurrent,
      x: () => tf.tensor2d([1, 2, 3, 4, 5, 6, 0, 6, 5, 4], [2, 5]),
      y: () => sines(2, 1),
    },
  ])('$name: predictions and training steps as on the CPU', async ({ model, x, y }) => {
    const [inputs, targets] = [x(), y()];
    const run = async (compiled: boolean) => {
      const network = model();
      const optimizer = tf.train.sgd(0.01);
      const predict = (input: tf.Tensor) => network.apply(input) as tf.Tensor;
      const step = (input: tf.Tensor, target: tf.Tensor) =>
        optimizer.minimize(
          () => tf.losses.meanSquaredError(target, network.apply(input, { training: true }) as tf.Tensor),
          true,
          network.trainableWeights.map((weight) => weight.read() as tf.Variable),
        )!;
      const [compiledPredict, compiledStep] = [compile(predict), compile(step)];
      const losses: number[] = [];
      for (let i = 0; i < 4; i++)
        losses.push((compiled ? await compiledStep(inputs, targets) : step(inputs, targets)).dataSync()[0]!);
      const prediction = compiled ? await compiledPredict(inputs) : predict(inputs);
      const { compiledCount } = compiledStep;
      return { losses, prediction, weights: network.getWeights(), compiledCount };
    };
    const [cpu, compiled] = [await run(false), await run(true)];
    expect(compiled.compiledCount).toBe(1);
    expect(cpu.losses.at(-1)).toBeLessThan(cpu.losses[0]!);
    compiled.losses.forEach((loss, i) => expect(loss).toBeCloseTo(cpu.losses[i]!, 5));
    expectClose(compiled.prediction, cpu.prediction, 1e-5);
    // moving averages of the batch normalisation included
    compiled.weights.forEach((weight, i) => expectClose(weight, cpu.weights[i]!, 1e-5));
  });
});
