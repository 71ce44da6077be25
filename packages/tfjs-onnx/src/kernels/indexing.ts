import * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import type { KernelTable } from './kernel.js';
import { choose, toFloat } from './elementwise.js';
import { kernel } from './kernel.js';
import { reduce } from './reduction.js';
import { crop } from './window.js';

/**
 * Rows of `updates` [n, inner] added at `indices` [n] to zeros [rows, inner]; equal indices add up. ScatterElements, not
 * ScatterND: in onnxruntime 1.30 the CPU's ScatterND with reduction 'add' loses updates when two threads meet at one row.
 */
export function scatterAddRows(graph: Graph, indices: GraphValue, updates: GraphValue, rows: number): GraphValue {
  const [count, inner] = updates.shape as [number, number];
  const output = { shape: [rows, inner], dtype: updates.dtype };
  const zeros = graph.expand(graph.scalar(0, updates.dtype), output.shape);
  const everywhere = graph.expand(graph.reshape(indices, [count, 1]), [count, inner]);
  return graph.node('ScatterElements', [zeros, everywhere, updates], output, {
    attributes: { axis: 0, reduction: 'add' },
  });
}

/** Tuples [n, k] into a tensor of `shape` as positions [n] in its k leading axes laid out flat. */
function flatIndices(graph: Graph, tuples: GraphValue, shape: readonly number[]): GraphValue {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const weighted = graph.elementwise(
    'Mul',
    [tuples, graph.constant(Int32Array.from(strides), [shape.length], 'int32')],
    'int32',
  );
  return reduce(graph, 'ReduceSum', weighted, [1], false);
}

export const indexingKernels: KernelTable = {
  GatherV2: kernel<tf.GatherV2Attrs>(({ inputs, attributes, graph }) => {
    const [x, indices] = [inputs['x']!, inputs['indices']!];
    const axis = tf.util.parseAxisParam(attributes.axis, [...x.shape])[0]!;
    const batchDims = attributes.batchDims ?? 0;
    const shape = [...x.shape.slice(0, axis), ...indices.shape.slice(batchDims), ...x.shape.slice(axis + 1)];
    const output = { shape, dtype: x.dtype };
    if (batchDims === 0) return graph.node('Gather', [x, indices], output, { attributes: { axis } });
    const tuples = graph.cast(graph.reshape(indices, [...indices.shape, 1]), 'int64');
    // GatherND takes from the axis after the batch: the axes between are moved behind it, and back.
    const all = [...x.shape.keys()];
    const [between, after] = [all.slice(batchDims, axis), all.slice(axis + 1)];
    const moved = graph.transpose(x, [...all.slice(0, batchDims), axis, ...between, ...after]);
    const picked = indices.shape.length - batchDims;
    const shapeMoved = [...indices.shape, ...moved.shape.slice(batchDims + 1)];
    const type = { shape: shapeMoved, dtype: x.dtype };
    const found = graph.node('GatherND', [moved, tuples], type, { attributes: { batch_dims: batchDims } });
    const [start, end] = [batchDims + picked, batchDims + picked + between.length];
    const axes = [...shapeMoved.keys()];
    return graph.transpose(found, [
      ...axes.slice(0, batchDims),
      ...axes.slice(start, end),
      ...axes.slice(batchDims, start),
      ...axes.slice(end),
    ]);
  }),
  UnsortedSegmentSum: kernel<tf.UnsortedSegmentSumAttrs>(({ inputs, attributes, graph }) => {
    const [x, segmentIds] = [inputs['x']!, inputs['segmentIds']!];
    const count = sizeOf(segmentIds.shape);
    const shape = x.shape.slice(segmentIds.shape.length);
    const updates = graph.reshape(x, [count, sizeOf(shape)]);
    const sums = scatterAddRows(graph, graph.reshape(segmentIds, [count]), updates, attributes.numSegments);
    return graph.reshape(sums, [attributes.numSegments, ...shape]);
  }),
  GatherNd: kernel(({ inputs, graph }) => {
    const [x, indices] = [inputs['params']!, inputs['indices']!];
    const depth = indices.shape.at(-1)!;
    const output = { shape: [...indices.shape.slice(0, -1), ...x.shape.slice(depth)], dtype: x.dtype };
    return graph.node('GatherND', [x, graph.cast(indices, 'int64')], output);
  }),
  ScatterNd: kernel<tf.ScatterNdAttrs>(({ inputs, attributes, graph }) => {
    const [indices, updates] = [inputs['indices']!, inputs['updates']!];
    const { shape } = attributes;
    const depth = indices.shape.at(-1)!;
    const inner = sizeOf(shape.slice(depth));
    const count = sizeOf(indices.shape.slice(0, -1));
    const rows = flatIndices(graph, graph.reshape(indices, [count, depth]), shape.slice(0, depth));
    const added = graph.expand(updates, [...indices.shape.slice(0, -1), ...shape.slice(depth)]);
    const sums = scatterAddRows(graph, rows, graph.reshape(added, [count, inner]), sizeOf(shape.slice(0, depth)));
    return graph.reshape(sums, shape);
  }),
  TensorScatterUpdate: kernel(({ inputs, graph }) => {
    const { tensor, indices, updates } = inputs as Record<string, GraphValue>;
    return graph.node('ScatterND', [tensor, graph.cast(indices!, 'int64'), updates], tensor!);
  }),
  SparseToDense: kernel<tf.SparseToDenseAttrs>(({ inputs, attributes, graph }) => {
    const { sparseIndices, sparseValues, defaultValue } = inputs as Record<string, GraphValue>;
    const shape = attributes.outputShape;
    const filled = graph.expand(graph.reshape(defaultValue!, []), shape);
    const count = sparseIndices!.shape.length === 0 ? 1 : sparseIndices!.shape[0]!;
    const indices = graph.cast(graph.reshape(sparseIndices!, [count, shape.length]), 'int64');
    return graph.node('ScatterND', [filled, indices, graph.expand(sparseValues!, [count])], {
      shape,
      dtype: sparseValues!.dtype,
    });
  }),
  TopK: kernel<tf.TopKAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const shape = [...x.shape.slice(0, -1), attributes.k];
    const [values, indices] = graph.multiNode(
      'TopK',
      [x, graph.integers([attributes.k])],
      [
        { shape, dtype: x.dtype },
        { shape, dtype: 'int64' },
      ],
    );
    return [values!, graph.cast(indices!, 'int32')];
  }),
  Bincount: kernel<tf.BincountAttrs>(({ inputs, attributes, graph }) =>
    countBins(graph, inputs, attributes.size, false),
  ),
  DenseBincount: kernel<tf.DenseBincountAttrs>(({ inputs, attributes, graph }) =>
    countBins(graph, inputs, attributes.size, attributes.binaryOutput ?? false),
  ),
  OneHot: kernel<tf.OneHotAttrs>(({ inputs, attributes, graph }) => {
    const indices = inputs['indices']!;
    const dtype = attributes.dtype === 'float32' || attributes.dtype === 'bool' ? attributes.dtype : 'int32';
    const classes = graph.constant(
      Int32Array.from({ length: attributes.depth }, (_, each) => each),
      [attributes.depth],
      'int32',
    );
    const column = graph.reshape(indices, [...indices.shape, 1]);
    const hit = graph.elementwise('Equal', [column, classes], 'bool');
    const values = [attributes.onValue, attributes.offValue].map((value) => graph.scalar(value, dtype));
    return choose(graph, hit, ...(values as [GraphValue, GraphValue]));
  }),
};

/**
 * How often each of 0 … columns − 1 occurs in each row of x, or the sum of its weights. x [rows, n] or [n]. Ids from `columns`
 * on are not counted; a negative one fails the run, as it does in tfjs.
 */
function countBins(graph: Graph, inputs: Record<string, GraphValue>, columns: number, binary: boolean): GraphValue {
  const { x, weights } = inputs as { x: GraphValue; weights: GraphValue };
  const weighted = !binary && sizeOf(weights.shape) > 0;
  const amounts = weighted ? toFloat(graph, weights) : graph.expand(graph.scalar(1, 'float32'), x.shape);
  const rows = x.shape.length === 2 ? x.shape[0]! : 1;
  const count = sizeOf(x.shape);
  const int = (value: number) => graph.scalar(value, 'int32');
  const ints = (opType: string, ...operands: GraphValue[]) => graph.elementwise(opType, operands, 'int32');
  const ids = graph.reshape(x, [rows, count / rows]);
  // Every row has one bin more, which takes what is not counted.
  const width = columns + 1;
  const starts = graph.constant(
    Int32Array.from({ length: rows }, (_, row) => row * width),
    [rows, 1],
    'int32',
  );
  const cells = choose(
    graph,
    graph.elementwise('Less', [ids, int(0)], 'bool'),
    int(rows * width),
    ints('Add', ints('Min', ids, int(columns)), starts),
  );
  const sums = scatterAddRows(graph, graph.reshape(cells, [count]), graph.reshape(amounts, [count, 1]), rows * width);
  const result = binary ? graph.elementwise('Min', [sums, graph.scalar(1, 'float32')], 'float32') : sums;
  const counted = crop(graph, graph.reshape(result, [rows, width]), [columns]);
  return graph.reshape(counted, x.shape.length === 2 ? [rows, columns] : [columns]);
}
