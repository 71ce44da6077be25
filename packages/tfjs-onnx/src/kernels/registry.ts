import * as tf from '@tensorflow/tfjs-core';
import { BACKEND_NAME, asTensorInfo, graphValueOf, traceBackend } from '../tracing/backend.js';
import type { GraphValue } from '../graph/graph.js';
import { attentionKernels } from './attention.js';
import { convolutionKernels } from './convolution.js';
import { creationKernels } from './creation.js';
import { elementwiseKernels } from './elementwise.js';
import { fusedKernels } from './fused.js';
import { imageKernels } from './image.js';
import { indexingKernels } from './indexing.js';
import type { KernelTable, OnnxKernel } from './kernel.js';
import { matMulKernels } from './matmul.js';
import { poolingKernels } from './pooling.js';
import { reductionKernels } from './reduction.js';
import { resizeKernels } from './resize.js';
import { shapeKernels } from './shape.js';
import { unaryKernels } from './unary.js';
import { volumeKernels } from './volume.js';

const builtIn: KernelTable = {
  ...attentionKernels,
  ...convolutionKernels,
  ...creationKernels,
  ...elementwiseKernels,
  ...fusedKernels,
  ...imageKernels,
  ...indexingKernels,
  ...matMulKernels,
  ...poolingKernels,
  ...reductionKernels,
  ...resizeKernels,
  ...shapeKernels,
  ...unaryKernels,
  ...volumeKernels,
};

let registered = false;

/** Makes the tracing backend known to tfjs, once. Its priority is below every other: tfjs never chooses it by itself. */
export function ensureBackend(): void {
  if (registered) return;
  registered = true;
  tf.registerBackend(BACKEND_NAME, () => traceBackend, -1);
  for (const [kernelName, emit] of Object.entries(builtIn))
    if (!tf.getKernel(kernelName, BACKEND_NAME)) register(kernelName, emit);
}

/**
 * Teaches the compiler a tfjs kernel that it lacks, or replaces one:
 * `registerOnnxKernel('Asinh', ({ inputs, graph }) => graph.elementwise('Asinh', [inputs.x!], 'float32'))`.
 * Functions that are compiled already keep what they were traced with.
 */
export function registerOnnxKernel<Attributes = Record<string, unknown>>(
  kernelName: string,
  emit: OnnxKernel<Attributes>,
): void {
  ensureBackend();
  if (tf.getKernel(kernelName, BACKEND_NAME)) tf.unregisterKernel(kernelName, BACKEND_NAME);
  register(kernelName, emit as OnnxKernel);
}

/** The tfjs kernels that can be compiled, those registered by the caller included, in alphabetical order. */
export function supportedKernels(): string[] {
  ensureBackend();
  return tf
    .getKernelsForBackend(BACKEND_NAME)
    .map((each) => each.kernelName)
    .toSorted();
}

function register(kernelName: string, emit: OnnxKernel): void {
  tf.registerKernel({
    kernelName,
    backendName: BACKEND_NAME,
    kernelFunc({ inputs, attrs }) {
      const graph = traceBackend.graph(kernelName);
      const values: Record<string, GraphValue> = {};
      for (const [name, tensor] of Object.entries(inputs)) if (tensor) values[name] = graphValueOf(tensor);
      const result = emit({ inputs: values, attributes: { ...attrs }, graph });
      return Array.isArray(result) ? result.map(asTensorInfo) : asTensorInfo(result);
    },
  });
}
