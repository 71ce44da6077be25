import * as tf from '@tensorflow/tfjs-core';
import type { GraphValue } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import type { KernelTable } from './kernel.js';
import { kernel } from './kernel.js';

const axisOf = (axis: number, value: GraphValue) => tf.util.parseAxisParam(axis, [...value.shape])[0]!;

export const shapeKernels: KernelTable = {
  Identity: ({ inputs }) => inputs['x']!,
  Reshape: kernel<tf.ReshapeAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    return graph.reshape(x, tf.util.inferFromImplicitShape(attributes.shape, sizeOf(x.shape)));
  }),
  ExpandDims: kernel<tf.ExpandDimsAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['input']!;
    const axis = attributes.dim < 0 ? attributes.dim + x.shape.length + 1 : attributes.dim;
    return graph.reshape(x, x.shape.toSpliced(axis, 0, 1));
  }),
  Transpose: kernel<tf.TransposeAttrs>(({ inputs, attributes, graph }) =>
    graph.transpose(inputs['x']!, attributes.perm),
  ),
  Concat: kernel<tf.ConcatAttrs>(({ inputs, attributes, graph }) => {
    const all = Object.values(inputs);
    const axis = axisOf(attributes.axis, all[0]!);
    const parts = all.filter((part) => sizeOf(part.shape) > 0);
    if (parts.length < 2) return parts[0] ?? all[0]!;
    const length = parts.reduce((total, part) => total + part.shape[axis]!, 0);
    const output = { shape: parts[0]!.shape.with(axis, length), dtype: parts[0]!.dtype };
    return graph.node('Concat', parts, output, { attributes: { axis } });
  }),
  Pack: kernel<tf.PackAttrs>(({ inputs, attributes, graph }) => {
    const parts = Object.values(inputs);
    const axis = attributes.axis < 0 ? attributes.axis + parts[0]!.shape.length + 1 : attributes.axis;
    const rows = parts.map((part) => graph.reshape(part, part.shape.toSpliced(axis, 0, 1)));
    if (rows.length === 1) return rows[0]!;
    const output = { shape: rows[0]!.shape.with(axis, rows.length), dtype: rows[0]!.dtype };
    return graph.node('Concat', rows, output, { attributes: { axis } });
  }),
  Unpack: kernel<tf.UnpackAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['value']!;
    const axis = axisOf(attributes.axis, x);
    const sizes = Array<number>(x.shape[axis]!).fill(1);
    const outputs = sizes.map(() => ({ shape: x.shape.with(axis, 1), dtype: x.dtype }));
    const parts = graph.multiNode('Split', [x, graph.integers(sizes)], outputs, { attributes: { axis } });
    return parts.map((part) => graph.reshape(part, x.shape.toSpliced(axis, 1)));
  }),
  SplitV: kernel<tf.SplitVAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const axis = axisOf(attributes.axis, x);
    const sizes = tf.backend_util.prepareSplitSize(
      { shape: [...x.shape] } as tf.Tensor,
      attributes.numOrSizeSplits,
      axis,
    );
    const outputs = sizes.map((size) => ({ shape: x.shape.with(axis, size), dtype: x.dtype }));
    return graph.multiNode('Split', [x, graph.integers(sizes)], outputs, { attributes: { axis } });
  }),
  Slice: kernel<tf.SliceAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const begin = [attributes.begin].flat();
    const size = [attributes.size].flat();
    const starts = x.shape.map((_, axis) => begin[axis] ?? 0);
    const shape = x.shape.map((length, axis) => ((size[axis] ?? -1) < 0 ? length - starts[axis]! : size[axis]!));
    const axes = [...x.shape.keys()].filter((axis) => shape[axis] !== x.shape[axis]);
    if (axes.length === 0) return x;
    const [from, to] = [axes.map((axis) => starts[axis]!), axes.map((axis) => starts[axis]! + shape[axis]!)];
    return graph.node('Slice', [x, graph.integers(from), graph.integers(to), graph.integers(axes)], {
      shape,
      dtype: x.dtype,
    });
  }),
  PadV2: kernel<tf.PadV2Attrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const { paddings, constantValue } = attributes;
    const shape = x.shape.map((size, axis) => size + paddings[axis]![0] + paddings[axis]![1]);
    const pads = graph.integers([...paddings.map((pair) => pair[0]), ...paddings.map((pair) => pair[1])]);
    return graph.node('Pad', [x, pads, graph.scalar(constantValue, x.dtype)], { shape, dtype: x.dtype });
  }),
  Tile: kernel<tf.TileAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const shape = x.shape.map((size, axis) => size * attributes.reps[axis]!);
    if (attributes.reps.every((count, axis) => count === 1 || x.shape[axis] === 1)) return graph.expand(x, shape);
    return graph.node('Tile', [x, graph.integers(attributes.reps)], { shape, dtype: x.dtype });
  }),
};
