/** Runs functions of tensors on host memory: compiled to ONNX Runtime, or eagerly on a tfjs backend. */
import type { HostTensor } from '@tapo/tfjs-onnx';
import type * as tf from '@tensorflow/tfjs-core';

export type { HostTensor };

/** An ordinary tfjs function; gradients may be taken inside. Its shapes may differ from call to call. */
export type TensorFunction = (inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>;

export interface RunOptions {
  /** preallocated results, written in place; one may be the memory of an input (an accumulator) */
  outputs?: Record<string, HostTensor>;
}

export interface RunnableFunction {
  run(inputs: Record<string, HostTensor>, options?: RunOptions): Promise<Record<string, HostTensor>>;
  /** the same run, to be repeated over the same memory */
  bind(inputs: Record<string, HostTensor>, options?: RunOptions): () => Promise<Record<string, HostTensor>>;
  /** input shapes compiled so far; 0 where nothing is compiled */
  readonly compiledCount: number;
  dispose(): Promise<void>;
}

export interface PrepareOptions {
  name: string;
  /** compiled input signatures kept (least recently used go) */
  cacheSize?: number;
}

/** One way to execute tensor functions. */
export interface Runner {
  /** `compiled`, or the name of the tfjs backend */
  readonly backend: string;
  readonly threads: number;
  prepare(f: TensorFunction, options: PrepareOptions): RunnableFunction;
}

/** float32 host tensor over existing memory. */
export function floats(data: Float32Array, shape: number[]): HostTensor {
  return { data, shape, dtype: 'float32' };
}

/** int32 host tensor over existing memory. */
export function ints(data: Int32Array, shape: number[]): HostTensor {
  return { data, shape, dtype: 'int32' };
}
