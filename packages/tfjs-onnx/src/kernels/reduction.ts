import * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import { paddedStored } from '../graph/create-graph.js';
import { numeric, toFloat } from './elementwise.js';
import type { KernelTable, OnnxKernel } from './kernel.js';
import { kernel } from './kernel.js';

interface ReductionAttributes {
  axis?: number | number[];
  /** What tfjs calls the axes of Max alone. */
  reductionIndices?: number | number[];
  keepDims: boolean;
}

/**
 * Reduces over `axes`. Where the input still waits to be broadcast along a reduced axis, the stored tensor is reduced
 * and the repetition is accounted for: a sum is multiplied by the count, the others do not change.
 */
export function reduce(
  graph: Graph,
  opType: string,
  x: GraphValue,
  axes: readonly number[],
  keepDims: boolean,
): GraphValue {
  if (axes.length === 0) return x;
  const padded = paddedStored(x);
  const source = graph.reshape({ ...x, shape: x.stored }, padded);
  const real = axes.filter((axis) => padded[axis] !== 1);
  const keptStored = padded.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const keptShape = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  let result =
    real.length === 0
      ? source
      : graph.node(
          opType,
          [source, graph.integers(real)],
          { shape: keptStored, dtype: x.dtype },
          { attributes: { keepdims: 1 } },
        );
  const repetitions = axes.reduce((count, axis) => count * (padded[axis] === 1 ? x.shape[axis]! : 1), 1);
  if (opType === 'ReduceSum' && repetitions !== 1)
    result = graph.elementwise('Mul', [result, graph.scalar(repetitions, x.dtype)], x.dtype);
  const kept = graph.expand(result, keptShape);
  return keepDims
    ? kept
    : graph.reshape(
        kept,
        x.shape.filter((_, axis) => !axes.includes(axis)),
      );
}

const axesOf = ({ axis, reductionIndices }: ReductionAttributes, x: GraphValue) =>
  tf.util.parseAxisParam((axis ?? reductionIndices)!, [...x.shape]);

const reduction = (opType: string): OnnxKernel =>
  kernel<ReductionAttributes>(({ inputs, attributes, graph }) => {
    const x = numeric(graph, inputs['x']!);
    return reduce(graph, opType, x, axesOf(attributes, x), attributes.keepDims);
  });

const extreme = (opType: string): OnnxKernel =>
  kernel<ReductionAttributes>(({ inputs, attributes, graph }) => {
    const x = numeric(graph, inputs['x']!);
    const found = reduce(graph, opType, x, axesOf(attributes, x), attributes.keepDims);
    return graph.cast(found, inputs['x']!.dtype);
  });

const arg = (opType: string): OnnxKernel =>
  kernel<{ axis: number }>(({ inputs, attributes, graph }) => {
    const x = numeric(graph, inputs['x']!);
    const axis = tf.util.parseAxisParam(attributes.axis, [...x.shape])[0]!;
    const shape = x.shape.filter((_, each) => each !== axis);
    const found = graph.node(opType, [x], { shape, dtype: 'int64' }, { attributes: { axis, keepdims: 0 } });
    return graph.cast(found, 'int32');
  });

const truth = (opType: string): OnnxKernel =>
  kernel<ReductionAttributes>(({ inputs, attributes, graph }) => {
    const x = graph.cast(inputs['x']!, 'int32');
    const axes = axesOf(attributes, x);
    return graph.cast(reduce(graph, opType, x, axes, attributes.keepDims), 'bool');
  });

export const reductionKernels: KernelTable = {
  Sum: reduction('ReduceSum'),
  Max: extreme('ReduceMax'),
  Min: extreme('ReduceMin'),
  Prod: reduction('ReduceProd'),
  Mean: kernel<ReductionAttributes>(({ inputs, attributes, graph }) => {
    const x = toFloat(graph, inputs['x']!);
    return reduce(graph, 'ReduceMean', x, axesOf(attributes, x), attributes.keepDims);
  }),
  All: truth('ReduceMin'),
  // of nothing: false
  Any: truth('ReduceSum'),
  ArgMax: arg('ArgMax'),
  ArgMin: arg('ArgMin'),
  Cumsum: kernel<tf.CumsumAttrs>(({ inputs, attributes, graph }) => {
    const x = numeric(graph, inputs['x']!);
    const axis = tf.util.parseAxisParam(attributes.axis, [...x.shape])[0]!;
    const flags = { exclusive: Number(attributes.exclusive), reverse: Number(attributes.reverse) };
    return graph.node('CumSum', [x, graph.scalar(axis, 'int64')], x, { attributes: flags });
  }),
  // ONNX has no such operator: log₂ n doublings, each multiplying by the product of the elements before.
  Cumprod: kernel<tf.CumprodAttrs>(({ inputs, attributes, graph }) => {
    const x = numeric(graph, inputs['x']!);
    const axis = tf.util.parseAxisParam(attributes.axis, [...x.shape])[0]!;
    const size = x.shape[axis]!;
    const shift = (value: GraphValue, by: number) => {
      const pads = Array<number>(2 * x.shape.length).fill(0);
      pads[attributes.reverse ? x.shape.length + axis : axis] = by;
      pads[attributes.reverse ? axis : x.shape.length + axis] = -by;
      return graph.node('Pad', [value, graph.integers(pads), graph.scalar(1, x.dtype)], x);
    };
    let result = attributes.exclusive ? shift(x, 1) : x;
    for (let distance = 1; distance < size; distance *= 2)
      result = graph.elementwise('Mul', [result, shift(result, distance)], x.dtype);
    return result;
  }),
  Softmax: kernel<tf.SoftmaxAttrs>(({ inputs, attributes, graph }) => {
    const logits = toFloat(graph, inputs['logits']!);
    return graph.node('Softmax', [logits], logits, { attributes: { axis: attributes.dim } });
  }),
  LogSoftmax: kernel<tf.LogSoftmaxAttrs>(({ inputs, attributes, graph }) => {
    const logits = toFloat(graph, inputs['logits']!);
    return graph.node('LogSoftmax', [logits], logits, { attributes: { axis: attributes.axis } });
  }),
};
