import { compile } from '@tapo/tfjs-onnx';
import type { HostTensor } from '@tapo/tfjs-onnx';
import * as tf from '@tensorflow/tfjs';

export interface MatrixProduct {
  /** milliseconds of one product */
  run(): Promise<number>;
  dispose(): Promise<void>;
}

/** The product of two square matrices in ONNX Runtime: what the machine can do at most. */
export async function matrixProduct(size: number, threads: number): Promise<MatrixProduct> {
  await tf.setBackend('cpu');
  const product = compile(({ a, b }) => ({ product: tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D) }), { threads });
  const square = (): HostTensor => ({
    data: Float32Array.from({ length: size * size }, Math.random),
    shape: [size, size],
    dtype: 'float32',
  });
  const multiply = product.bind({ a: square(), b: square() }, { outputs: { product: square() } });
  return {
    async run() {
      const start = performance.now();
      await multiply();
      return performance.now() - start;
    },
    dispose: product.dispose,
  };
}

/** GFLOP/s of a product of that size. */
export function gflops(size: number, ms: number): number {
  return (2 * size ** 3) / ms / 1e6;
}
