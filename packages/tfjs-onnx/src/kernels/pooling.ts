import * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { scatterAddRows } from './indexing.js';
import type { KernelTable } from './kernel.js';
import { kernel } from './kernel.js';

interface PoolAttributes {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4D = [number, number, number, number];

function geometry(x: readonly number[], { filterSize, strides, pad, dimRoundingMode }: PoolAttributes) {
  const info = tf.backend_util.computePool2DInfo(x as Shape4D, filterSize, strides, 1, pad, dimRoundingMode);
  const { top, left, bottom, right } = info.padInfo;
  return {
    kernelShape: [info.filterHeight, info.filterWidth],
    attributes: {
      kernel_shape: [info.filterHeight, info.filterWidth],
      strides: [info.strideHeight, info.strideWidth],
      pads: [top, left, bottom, right],
    },
    output: [info.batchSize, info.inChannels, info.outHeight, info.outWidth],
    input: [info.batchSize, info.inChannels, info.inHeight, info.inWidth],
  };
}

const toChannelsFirst = (graph: Graph, x: GraphValue) => graph.transpose(x, [0, 3, 1, 2]);
const toChannelsLast = (graph: Graph, x: GraphValue) => graph.transpose(x, [0, 2, 3, 1]);

export const poolingKernels: KernelTable = {
  MaxPool: kernel<PoolAttributes>(({ inputs, attributes, graph }) => {
    const pool = geometry(inputs['x']!.shape, attributes);
    const type = { shape: pool.output, dtype: 'float32' as const };
    const options = { attributes: pool.attributes };
    return toChannelsLast(graph, graph.node('MaxPool', [toChannelsFirst(graph, inputs['x']!)], type, options));
  }),
  AvgPool: kernel<PoolAttributes>(({ inputs, attributes, graph }) => {
    const pool = geometry(inputs['x']!.shape, attributes);
    const type = { shape: pool.output, dtype: 'float32' as const };
    const options = { attributes: { ...pool.attributes, count_include_pad: 0 } };
    return toChannelsLast(graph, graph.node('AveragePool', [toChannelsFirst(graph, inputs['x']!)], type, options));
  }),
  // The operator also says where each maximum was: dy is added there.
  MaxPoolGrad: kernel<PoolAttributes>(({ inputs, attributes, graph }) => {
    const { dy, input } = inputs as { dy: GraphValue; input: GraphValue };
    const pool = geometry(input.shape, attributes);
    const [, positions] = graph.multiNode(
      'MaxPool',
      [toChannelsFirst(graph, input)],
      [
        { shape: pool.output, dtype: 'float32' },
        { shape: pool.output, dtype: 'int64' },
      ],
      { attributes: pool.attributes },
    );
    const count = sizeOf(pool.output);
    const updates = graph.reshape(toChannelsFirst(graph, dy), [count, 1]);
    const sums = scatterAddRows(graph, graph.reshape(positions!, [count]), updates, sizeOf(pool.input));
    return toChannelsLast(graph, graph.reshape(sums, pool.input));
  }),
  // Each window's dy is spread evenly over the whole window, as tfjs does it, also where part of it is padding.
  AvgPoolGrad: kernel<PoolAttributes>(({ inputs, attributes, graph }) => {
    const { dy, input } = inputs as { dy: GraphValue; input: GraphValue };
    const pool = geometry(input.shape, attributes);
    const [batch, channels, outHeight, outWidth] = pool.output as Shape4D;
    const [, , height, width] = pool.input as Shape4D;
    const { strides, pads } = pool.attributes;
    const window = sizeOf(pool.kernelShape);
    const even = graph.constant(new Float32Array(window).fill(1 / window), [1, 1, ...pool.kernelShape], 'float32');
    const rest = [0, 1].map((axis) => {
      const reach = ([outHeight, outWidth][axis]! - 1) * strides[axis]! + pool.kernelShape[axis]!;
      return [height, width][axis]! - (reach - pads[axis]! - pads[axis + 2]!);
    });
    const flat = graph.reshape(toChannelsFirst(graph, dy), [batch * channels, 1, outHeight, outWidth]);
    const type = { shape: [batch * channels, 1, height, width], dtype: 'float32' as const };
    const options = { attributes: { strides, pads, output_padding: rest } };
    return toChannelsLast(graph, graph.reshape(graph.node('ConvTranspose', [flat, even], type, options), pool.input));
  }),
  FusedBatchNorm: kernel<tf.FusedBatchNormAttrs>(({ inputs, attributes, graph }) => {
    const { x, mean, variance, offset, scale } = inputs as Record<string, GraphValue>;
    const at = (opType: string, ...operands: GraphValue[]) => graph.elementwise(opType, operands, 'float32');
    const root = at('Sqrt', at('Add', variance!, graph.scalar(attributes.varianceEpsilon, 'float32')));
    const factor = scale ? at('Div', scale, root) : at('Reciprocal', root);
    const normal = at('Mul', at('Sub', x!, mean!), factor);
    return offset ? at('Add', normal, offset) : normal;
  }),
  ResizeBilinear: kernel<tf.ResizeBilinearAttrs>(({ inputs, attributes, graph }) =>
    resize(graph, inputs['images']!, attributes, { mode: 'linear' }),
  ),
  ResizeNearestNeighbor: kernel<tf.ResizeNearestNeighborAttrs>(({ inputs, attributes, graph }) => {
    if (attributes.halfPixelCenters)
      throw new Error('tf.image.resizeNearestNeighbor with halfPixelCenters has no ONNX form.');
    const rounding = attributes.alignCorners ? 'round_prefer_ceil' : 'floor';
    return resize(graph, inputs['images']!, attributes, { mode: 'nearest', nearest_mode: rounding });
  }),
};

function resize(
  graph: Graph,
  images: GraphValue,
  { alignCorners, halfPixelCenters, size }: tf.ResizeBilinearAttrs,
  mode: Record<string, string>,
): GraphValue {
  const [batch, , , channels] = images.shape as Shape4D;
  const shape = [batch, channels, ...size];
  const coordinates = alignCorners ? 'align_corners' : halfPixelCenters ? 'half_pixel' : 'asymmetric';
  const operands = [toChannelsFirst(graph, images), undefined, undefined, graph.integers(shape)];
  const options = { attributes: { ...mode, coordinate_transformation_mode: coordinates } };
  const resized = graph.node('Resize', operands, { shape, dtype: 'float32' }, options);
  return toChannelsLast(graph, resized);
}
