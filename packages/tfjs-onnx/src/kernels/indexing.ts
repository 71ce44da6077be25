import * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import type { KernelTable } from './kernel.js';
import { kernel } from './kernel.js';

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

export const indexingKernels: KernelTable = {
  GatherV2: kernel<tf.GatherV2Attrs>(({ inputs, attributes, graph }) => {
    const [x, indices] = [inputs['x']!, inputs['indices']!];
    const axis = tf.util.parseAxisParam(attributes.axis, [...x.shape])[0]!;
    const batchDims = attributes.batchDims ?? 0;
    const shape = [...x.shape.slice(0, axis), ...indices.shape.slice(batchDims), ...x.shape.slice(axis + 1)];
    const output = { shape, dtype: x.dtype };
    if (batchDims === 0) return graph.node('Gather', [x, indices], output, { attributes: { axis } });
    if (axis !== batchDims)
      throw new Error(`tf.gather with batchDims ${batchDims} is supported on axis ${batchDims}, got axis ${axis}.`);
    const tuples = graph.cast(graph.reshape(indices, [...indices.shape, 1]), 'int64');
    return graph.node('GatherND', [x, tuples], output, { attributes: { batch_dims: batchDims } });
  }),
  UnsortedSegmentSum: kernel<tf.UnsortedSegmentSumAttrs>(({ inputs, attributes, graph }) => {
    const [x, segmentIds] = [inputs['x']!, inputs['segmentIds']!];
    const count = sizeOf(segmentIds.shape);
    const shape = x.shape.slice(segmentIds.shape.length);
    const updates = graph.reshape(x, [count, sizeOf(shape)]);
    const sums = scatterAddRows(graph, graph.reshape(segmentIds, [count]), updates, attributes.numSegments);
    return graph.reshape(sums, [attributes.numSegments, ...shape]);
  }),
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
    return graph.elementwise('Where', [hit, ...values], dtype);
  }),
};
