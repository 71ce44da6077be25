import type * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import { broadcastShapes, sizeOf } from '../graph/shape.js';
import { activate } from './activation.js';
import type { KernelTable } from './kernel.js';
import { kernel } from './kernel.js';

/** a·b over the last two axes, either one transposed. [..., m, k] × [..., k, n] → [..., m, n] */
export function matMul(
  graph: Graph,
  a: GraphValue,
  b: GraphValue,
  transposeA: boolean,
  transposeB: boolean,
): GraphValue {
  const [rows, columns] = [a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!];
  const batch = broadcastShapes([a.shape.slice(0, -2), b.shape.slice(0, -2)]);
  const output = { shape: [...batch, rows, columns], dtype: a.dtype };
  if (a.dtype !== 'float32') {
    const turned = (x: GraphValue) => {
      const axes = [...x.shape.keys()];
      return graph.transpose(x, [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!]);
    };
    return graph.node('MatMul', [transposeA ? turned(a) : a, transposeB ? turned(b) : b], output);
  }
  if (sizeOf(batch) === 1) {
    const [flatA, flatB] = [graph.reshape(a, a.shape.slice(-2)), graph.reshape(b, b.shape.slice(-2))];
    const attributes = { transA: Number(transposeA), transB: Number(transposeB) };
    const product = graph.node('Gemm', [flatA, flatB], { ...output, shape: [rows, columns] }, { attributes });
    return graph.reshape(product, output.shape);
  }
  if (!transposeA && !transposeB) return graph.node('MatMul', [a, b], output);
  const attributes = { transA: Number(transposeA), transB: Number(transposeB) };
  return graph.node('FusedMatMul', [a, b], output, { attributes, domain: 'com.microsoft' });
}

export const matMulKernels: KernelTable = {
  BatchMatMul: kernel<tf.BatchMatMulAttrs>(({ inputs, attributes, graph }) =>
    matMul(graph, inputs['a']!, inputs['b']!, attributes.transposeA, attributes.transposeB),
  ),
  _FusedMatMul: kernel<tf._FusedMatMulAttrs>(({ inputs, attributes, graph }) => {
    const { transposeA, transposeB, activation, leakyreluAlpha } = attributes;
    const product = matMul(graph, inputs['a']!, inputs['b']!, transposeA, transposeB);
    const bias = inputs['bias'];
    const sum = bias ? graph.elementwise('Add', [product, bias], 'float32') : product;
    return activate(graph, sum, activation, { weights: inputs['preluActivationWeights'], leakyreluAlpha });
  }),
  Einsum: kernel<tf.EinsumAttrs>(({ inputs, attributes, graph }) => {
    const operands = Object.values(inputs);
    const equation = attributes.equation.replaceAll(' ', '');
    const [left, right] = equation.split('->') as [string, string];
    const sizes = new Map<string, number>();
    left.split(',').forEach((labels, operand) => {
      [...labels].forEach((label, axis) => sizes.set(label, operands[operand]!.shape[axis]!));
    });
    const output = { shape: [...right].map((label) => sizes.get(label)!), dtype: operands[0]!.dtype };
    return graph.node('Einsum', operands, output, { attributes: { equation } });
  }),
};
