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
  StridedSlice: kernel<tf.StridedSliceAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attributes;
    const spec = tf.slice_util.sliceInfo(
      [...x.shape],
      begin,
      end,
      strides,
      beginMask,
      endMask,
      ellipsisMask,
      newAxisMask,
      shrinkAxisMask,
    );
    if (spec.isIdentity) return graph.reshape(x, spec.finalShape);
    const axes = [...x.shape.keys()];
    // The end of a slice that runs backwards to the start is one before index 0, which ONNX writes as −size − 1.
    const ends = axes.map((axis) => (spec.end[axis]! < 0 ? -x.shape[axis]! - 1 : spec.end[axis]!));
    const shape = tf.slice_util.computeOutShape(spec.begin, spec.end, spec.strides);
    const operands = [x, ...[spec.begin, ends, axes, spec.strides].map((each) => graph.integers(each))];
    return graph.reshape(graph.node('Slice', operands, { shape, dtype: x.dtype }), spec.finalShape);
  }),
  Reverse: kernel<tf.ReverseAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const axes = tf.util.parseAxisParam(attributes.dims, [...x.shape]);
    if (axes.length === 0) return x;
    const [starts, ends, steps] = [-1, -(2 ** 31), -1].map((value) => graph.integers(axes.map(() => value)));
    return graph.node('Slice', [x, starts, ends, graph.integers(axes), steps], x);
  }),
  MirrorPad: kernel<tf.MirrorPadAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const { paddings, mode } = attributes;
    const shape = x.shape.map((size, axis) => size + paddings[axis]![0] + paddings[axis]![1]);
    const [before, after] = [paddings.map((pair) => pair[0]), paddings.map((pair) => pair[1])];
    if (mode === 'reflect')
      return graph.node(
        'Pad',
        [x, graph.integers([...before, ...after])],
        { shape, dtype: x.dtype },
        { attributes: { mode } },
      );
    // Symmetric repeats the edge, which ONNX's Pad cannot: gather the mirrored indices, axis by axis.
    return x.shape.reduce((padded, size, axis) => {
      const mirrored = Array.from({ length: shape[axis]! }, (_, at) => {
        const index = at - before[axis]!;
        return index < 0 ? -index - 1 : index >= size ? 2 * size - 1 - index : index;
      });
      const type = { shape: padded.shape.with(axis, shape[axis]!), dtype: x.dtype };
      return graph.node('Gather', [padded, graph.integers(mirrored)], type, { attributes: { axis } });
    }, x);
  }),
  BroadcastTo: kernel<{ shape: number[] }>(({ inputs, attributes, graph }) =>
    graph.expand(inputs['x']!, attributes.shape),
  ),
  SpaceToBatchND: kernel<tf.SpaceToBatchNDAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const { blockShape, paddings } = attributes;
    const all = x.shape.map((_, axis) => paddings[axis - 1] ?? [0, 0]);
    const shape = x.shape.map((size, axis) => size + all[axis]![0]! + all[axis]![1]!);
    const pads = graph.integers([...all.map((pair) => pair[0]!), ...all.map((pair) => pair[1]!)]);
    const padded = graph.node('Pad', [x, pads, graph.scalar(0, x.dtype)], { shape, dtype: x.dtype });
    const product = blockShape.reduce((total, size) => total * size, 1);
    const split = tf.backend_util.getReshaped(shape, blockShape, product, false);
    const permutation = tf.backend_util.getPermuted(split.length, blockShape.length, false);
    const merged = tf.backend_util.getReshapedPermuted(shape, blockShape, product, false);
    return graph.reshape(graph.transpose(graph.reshape(padded, split), permutation), merged);
  }),
  BatchToSpaceND: kernel<tf.BatchToSpaceNDAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const { blockShape, crops } = attributes;
    const product = blockShape.reduce((total, size) => total * size, 1);
    const split = tf.backend_util.getReshaped([...x.shape], blockShape, product);
    const permutation = tf.backend_util.getPermuted(split.length, blockShape.length);
    const merged = tf.backend_util.getReshapedPermuted([...x.shape], blockShape, product);
    const whole = graph.reshape(graph.transpose(graph.reshape(x, split), permutation), merged);
    const starts = tf.backend_util.getSliceBeginCoords(crops, blockShape.length);
    const cropped = tf.backend_util.getSliceSize(merged, crops, blockShape.length);
    const shape = [...cropped, ...merged.slice(cropped.length)];
    const ends = starts.map((start, axis) => start + cropped[axis]!);
    return graph.node('Slice', [whole, graph.integers(starts), graph.integers(ends)], { shape, dtype: x.dtype });
  }),
  DepthToSpace: kernel<tf.DepthToSpaceAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const size = attributes.blockSize;
    const channelsLast = attributes.dataFormat === 'NHWC';
    const [batch, a, b, c] = x.shape as [number, number, number, number];
    if (!channelsLast) {
      const depth = a / size ** 2;
      const split = graph.reshape(x, [batch, size, size, depth, b, c]);
      return graph.reshape(graph.transpose(split, [0, 3, 4, 1, 5, 2]), [batch, depth, b * size, c * size]);
    }
    const depth = c / size ** 2;
    const split = graph.reshape(x, [batch, a, b, size, size, depth]);
    return graph.reshape(graph.transpose(split, [0, 1, 3, 2, 4, 5]), [batch, a * size, b * size, depth]);
  }),
  PadV2: kernel<tf.PadV2Attrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const { paddings, constantValue } = attributes;
    if (paddings.flat().every((count) => count === 0)) return x;
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
