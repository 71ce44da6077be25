import type * as tf from '@tensorflow/tfjs-core';
import type { GraphDType } from '../graph/graph.js';
import type { KernelTable, OnnxKernel } from './kernel.js';
import { kernel } from './kernel.js';

const filledLike = (value: number): OnnxKernel =>
  kernel(({ inputs, graph }) => graph.expand(graph.scalar(value, inputs['x']!.dtype), inputs['x']!.shape));

export const creationKernels: KernelTable = {
  ZerosLike: filledLike(0),
  OnesLike: filledLike(1),
  Fill: kernel<tf.FillAttrs>(({ attributes, graph }) => {
    const dtype: GraphDType =
      attributes.dtype === 'int32' || attributes.dtype === 'bool' ? attributes.dtype : 'float32';
    return graph.expand(graph.scalar(Number(attributes.value), dtype), attributes.shape);
  }),
  Range: kernel<tf.RangeAttrs>(({ attributes, graph }) => {
    const { start, stop, step } = attributes;
    const length = Math.max(0, Math.ceil((stop - start) / step));
    const values = Array.from({ length }, (_, position) => start + position * step);
    return attributes.dtype === 'int32'
      ? graph.constant(Int32Array.from(values), [length], 'int32')
      : graph.constant(Float32Array.from(values), [length], 'float32');
  }),
};
