import * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { scatterAddRows } from './indexing.js';
import type { KernelTable } from './kernel.js';
import { kernel } from './kernel.js';
import { crop, uncrop, window } from './window.js';

interface PoolAttributes {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4D = [number, number, number, number];

function geometry(x: readonly number[], { filterSize, strides, pad, dimRoundingMode }: PoolAttributes) {
  const info = tf.backend_util.computePool2DInfo(x as Shape4D, filterSize, strides, 1, pad, dimRoundingMode);
  const { top, left } = info.padInfo;
  const [rows, columns] = [
    window(info.inHeight, info.outHeight, info.strideHeight, info.filterHeight, top),
    window(info.inWidth, info.outWidth, info.strideWidth, info.filterWidth, left),
  ];
  return {
    kernelShape: [info.filterHeight, info.filterWidth],
    attributes: {
      kernel_shape: [info.filterHeight, info.filterWidth],
      strides: [info.strideHeight, info.strideWidth],
      pads: [top, left, rows.padEnd, columns.padEnd],
    },
    output: [info.batchSize, info.inChannels, info.outHeight, info.outWidth],
    input: [info.batchSize, info.inChannels, info.inHeight, info.inWidth],
    /** [height, width] of the part of the input that the output depends on. */
    used: [rows.used, columns.used],
  };
}

const toChannelsFirst = (graph: Graph, x: GraphValue) => graph.transpose(x, [0, 3, 1, 2]);
const channelsFirst = (graph: Graph, x: GraphValue, used: number[]) => crop(graph, toChannelsFirst(graph, x), used);
const toChannelsLast = (graph: Graph, x: GraphValue) => graph.transpose(x, [0, 2, 3, 1]);

export const poolingKernels: KernelTable = {
  MaxPool: kernel<PoolAttributes>(({ inputs, attributes, graph }) => {
    const pool = geometry(inputs['x']!.shape, attributes);
    const type = { shape: pool.output, dtype: 'float32' as const };
    const options = { attributes: pool.attributes };
    return toChannelsLast(graph, graph.node('MaxPool', [channelsFirst(graph, inputs['x']!, pool.used)], type, options));
  }),
  AvgPool: kernel<PoolAttributes>(({ inputs, attributes, graph }) => {
    const pool = geometry(inputs['x']!.shape, attributes);
    const type = { shape: pool.output, dtype: 'float32' as const };
    const options = { attributes: { ...pool.attributes, count_include_pad: 0 } };
    return toChannelsLast(
      graph,
      graph.node('AveragePool', [channelsFirst(graph, inputs['x']!, pool.used)], type, options),
    );
  }),
  // The operator also says where each maximum was: dy is added there.
  MaxPoolGrad: kernel<PoolAttributes>(({ inputs, attributes, graph }) => {
    const { dy, input } = inputs as { dy: GraphValue; input: GraphValue };
    const pool = geometry(input.shape, attributes);
    const [, positions] = graph.multiNode(
      'MaxPool',
      [channelsFirst(graph, input, pool.used)],
      [
        { shape: pool.output, dtype: 'float32' },
        { shape: pool.output, dtype: 'int64' },
      ],
      { attributes: pool.attributes },
    );
    const count = sizeOf(pool.output);
    const updates = graph.reshape(toChannelsFirst(graph, dy), [count, 1]);
    const cropped = [...pool.input.slice(0, 2), ...pool.used];
    const sums = scatterAddRows(graph, graph.reshape(positions!, [count]), updates, sizeOf(cropped));
    return toChannelsLast(graph, uncrop(graph, graph.reshape(sums, cropped), pool.input.slice(2)));
  }),
  // Each window's dy is spread evenly over the whole window, as tfjs does it, also where part of it is padding.
  AvgPoolGrad: kernel<PoolAttributes>(({ inputs, attributes, graph }) => {
    const { dy, input } = inputs as { dy: GraphValue; input: GraphValue };
    const pool = geometry(input.shape, attributes);
    const [batch, channels, outHeight, outWidth] = pool.output as Shape4D;
    const { strides, pads } = pool.attributes;
    const window = sizeOf(pool.kernelShape);
    const even = graph.constant(new Float32Array(window).fill(1 / window), [1, 1, ...pool.kernelShape], 'float32');
    const flat = graph.reshape(toChannelsFirst(graph, dy), [batch * channels, 1, outHeight, outWidth]);
    const type = { shape: [batch * channels, 1, ...pool.used], dtype: 'float32' as const };
    const spread = graph.node('ConvTranspose', [flat, even], type, { attributes: { strides, pads } });
    return toChannelsLast(graph, graph.reshape(uncrop(graph, spread, pool.input.slice(2)), pool.input));
  }),
  FusedBatchNorm: kernel<tf.FusedBatchNormAttrs>(({ inputs, attributes, graph }) => {
    const { x, mean, variance, offset, scale } = inputs as Record<string, GraphValue>;
    const at = (opType: string, ...operands: GraphValue[]) => graph.elementwise(opType, operands, 'float32');
    const root = at('Sqrt', at('Add', variance!, graph.scalar(attributes.varianceEpsilon, 'float32')));
    const factor = scale ? at('Div', scale, root) : at('Reciprocal', root);
    const normal = at('Mul', at('Sub', x!, mean!), factor);
    return offset ? at('Add', normal, offset) : normal;
  }),
};
