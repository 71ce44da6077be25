import type * as tf from '@tensorflow/tfjs-core';
import type { GraphDType } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
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
  LinSpace: kernel<tf.LinSpaceAttrs>(({ attributes, graph }) => {
    const { start, stop, num } = attributes;
    const step = num > 1 ? (stop - start) / (num - 1) : 0;
    return graph.constant(
      Float32Array.from({ length: num }, (_, position) => start + position * step),
      [num],
      'float32',
    );
  }),
  Diag: kernel(({ inputs, graph }) => {
    const x = inputs['x']!;
    const size = sizeOf(x.shape);
    const eye = Uint8Array.from({ length: size * size }, (_, cell) => Number(cell % (size + 1) === 0));
    const [column, diagonal] = [graph.reshape(x, [size, 1]), graph.constant(eye, [size, size], 'bool')];
    const square = graph.elementwise('Where', [diagonal, column, graph.scalar(0, x.dtype)], x.dtype);
    return graph.reshape(square, [...x.shape, ...x.shape]);
  }),
  Multinomial: kernel<tf.MultinomialAttrs>(({ inputs, attributes, graph }) => {
    const { numSamples, seed, normalized } = attributes;
    const logits = inputs['logits']!;
    const unnormalized = normalized ? graph.elementwise('Log', [logits], 'float32') : logits;
    const output = { shape: [logits.shape[0]!, numSamples], dtype: 'int32' as const };
    // The seed starts a generator that lives as long as the session: every run draws anew.
    const draws = { sample_size: numSamples, seed: { float: seed }, dtype: 6 };
    return graph.node('Multinomial', [unnormalized], output, { attributes: draws, pure: false });
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
