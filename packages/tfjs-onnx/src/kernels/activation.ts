import type * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import type { OnnxKernel } from './kernel.js';
import { unaryKernels } from './unary.js';

interface ActivationInputs {
  /** Slopes of prelu. */
  weights?: GraphValue | undefined;
  leakyreluAlpha?: number;
}

const kernels: Record<string, OnnxKernel | undefined> = {
  relu: unaryKernels['Relu'],
  relu6: unaryKernels['Relu6'],
  elu: unaryKernels['Elu'],
  sigmoid: unaryKernels['Sigmoid'],
  leakyrelu: unaryKernels['LeakyRelu'],
  prelu: unaryKernels['Prelu'],
};

/** The activation of one of tfjs's fused kernels. */
export function activate(
  graph: Graph,
  x: GraphValue,
  activation: tf.fused.Activation | undefined,
  { weights, leakyreluAlpha = 0.2 }: ActivationInputs = {},
): GraphValue {
  if (!activation || activation === 'linear') return x;
  const emit = kernels[activation];
  if (!emit) throw new Error(`The fused activation ${activation} is not supported.`);
  const inputs: Record<string, GraphValue> = weights ? { x, alpha: weights } : { x };
  return emit({ inputs, attributes: { alpha: leakyreluAlpha }, graph }) as GraphValue;
}
