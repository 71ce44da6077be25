import type * as tf from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-node';
import { sizeOf } from './graph/shape.js';

/** A tensor in JavaScript memory: what goes into a compiled function and comes out of it. `bool` is 0 or 1 per byte. */
export interface HostTensor {
  data: Float32Array | Int32Array | Uint8Array;
  shape: number[];
  dtype: 'float32' | 'int32' | 'bool';
}

const arrayTypes = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

/** Throws where data, shape and dtype do not fit together. */
export function checkHostTensor(name: string, { data, shape, dtype }: HostTensor): void {
  const wanted = arrayTypes[dtype];
  if (wanted === undefined) throw new Error(`'${name}': dtype is ${String(dtype)}, wanted float32, int32 or bool.`);
  if (!(data instanceof wanted))
    throw new Error(`'${name}': a ${dtype} tensor keeps its data in a ${wanted.name}, got a ${data.constructor.name}.`);
  if (data.length !== sizeOf(shape))
    throw new Error(`'${name}': shape [${shape.join(', ')}] has ${sizeOf(shape)} elements, its data ${data.length}.`);
}

/** A view for ONNX Runtime over the same memory. */
export function toOrtTensor({ data, shape, dtype }: HostTensor): ort.Tensor {
  return new ort.Tensor(dtype, data, shape);
}

/** Reads a tfjs tensor, from whichever backend it lives on. */
export async function toHostTensor(tensor: tf.Tensor): Promise<HostTensor> {
  const { shape, dtype } = tensor;
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool')
    throw new Error(`A ${dtype} tensor cannot be an input: float32, int32 and bool are supported.`);
  return { data: (await tensor.data()) as HostTensor['data'], shape: [...shape], dtype };
}

/** A tensor of zeros. */
export function allocate({ shape, dtype }: { shape: readonly number[]; dtype: string }): HostTensor {
  const known = dtype === 'float32' || dtype === 'int32' ? dtype : 'bool';
  return { data: new arrayTypes[known](sizeOf(shape)), shape: [...shape], dtype: known };
}
