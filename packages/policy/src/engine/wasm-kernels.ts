/** Kernels that a training step needs and tfjs's WASM backend (4.22) lacks or has wrong, in plain JavaScript over its memory. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

/** Puts them into the registry. */
export function registerWasmKernels(): void {
  register(tf.UnsortedSegmentSum, unsortedSegmentSum);
  register(tf.OneHot, oneHot);
}

function register(kernelName: string, compute: (call: KernelCall) => tf.TensorInfo): void {
  if (tf.getKernel(kernelName, 'wasm')) tf.unregisterKernel(kernelName, 'wasm');
  const kernelFunc = (call: object) => compute(call as KernelCall);
  tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc });
}

interface KernelCall {
  inputs: Record<string, tf.TensorInfo>;
  attrs: object;
  backend: BackendWasm;
}

/** Missing. Row i of `x [N, …]` is added to row `segmentIds[i]` of the result: the gradient of `gather`. */
function unsortedSegmentSum({ inputs, attrs, backend }: KernelCall): tf.TensorInfo {
  const { x, segmentIds } = inputs as Record<'x' | 'segmentIds', tf.TensorInfo>;
  const { numSegments } = attrs as tf.UnsortedSegmentSumAttrs;
  const output = backend.makeOutput([numSegments, ...x.shape.slice(1)], x.dtype);
  // Views of the heap, valid until something is allocated.
  const values = backend.typedArrayFromHeap(x) as Float32Array;
  const ids = backend.typedArrayFromHeap(segmentIds) as Int32Array;
  const sums = backend.typedArrayFromHeap(output) as Float32Array;
  const width = sums.length / numSegments;
  sums.fill(0);
  ids.forEach((id, row) => {
    if (id < 0 || id >= numSegments) return;
    for (let i = 0; i < width; i++) {
      sums[id * width + i] = (sums[id * width + i] as number) + (values[row * width + i] as number);
    }
  });
  return output;
}

/** Wrong for float32: writes the bits of the integer 1, which as a float are 1e-45. */
function oneHot({ inputs, attrs, backend }: KernelCall): tf.TensorInfo {
  const { indices } = inputs as Record<'indices', tf.TensorInfo>;
  const { depth, onValue, offValue, dtype } = attrs as tf.OneHotAttrs;
  const output = backend.makeOutput([...indices.shape, depth], dtype);
  const ids = backend.typedArrayFromHeap(indices) as Int32Array;
  const values = backend.typedArrayFromHeap(output) as Float32Array;
  values.fill(offValue);
  ids.forEach((id, row) => {
    if (id >= 0 && id < depth) values[row * depth + id] = onValue;
  });
  return output;
}
