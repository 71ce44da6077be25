import * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import type { KernelTable } from './kernel.js';
import { kernel } from './kernel.js';
import { crop, window } from './window.js';

/** What tfjs's kernels over volumes [n, depth, height, width, channels] have in common. They have no gradients here. */
interface VolumeAttributes {
  strides: [number, number, number] | number;
  pad: 'valid' | 'same' | number;
  dataFormat?: 'NDHWC' | 'NCDHW';
}

interface PoolAttributes extends VolumeAttributes {
  filterSize: [number, number, number] | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape5D = [number, number, number, number, number];

/** ONNX has channels second, tfjs's CPU last. */
const toChannelsFirst = (graph: Graph, x: GraphValue) => graph.transpose(x, [0, 4, 1, 2, 3]);
const toChannelsLast = (graph: Graph, x: GraphValue) => graph.transpose(x, [0, 2, 3, 4, 1]);

/** One operator that slides a window over x, cropped to what the output depends on. */
function slide(
  graph: Graph,
  opType: 'Conv' | 'MaxPool' | 'AveragePool',
  [x, ...operands]: GraphValue[],
  info: tf.backend_util.Conv3DInfo,
  extra: Record<string, number | number[]>,
): GraphValue {
  const { front, top, left } = info.padInfo;
  const axes = [
    window(info.inDepth, info.outDepth, info.strideDepth, info.effectiveFilterDepth, front),
    window(info.inHeight, info.outHeight, info.strideHeight, info.effectiveFilterHeight, top),
    window(info.inWidth, info.outWidth, info.strideWidth, info.effectiveFilterWidth, left),
  ];
  // Where a stride is larger than the filter, tfjs's padding 'same' is negative: the first window begins inside.
  const starts = [front, top, left];
  const inside = starts.map((start) => Math.max(0, -start));
  const ends = axes.map((axis) => axis.used);
  const used = crop(graph, toChannelsFirst(graph, x!), ends, inside);
  const shape = [info.batchSize, info.outChannels, info.outDepth, info.outHeight, info.outWidth];
  const attributes = {
    kernel_shape: [info.filterDepth, info.filterHeight, info.filterWidth],
    strides: [info.strideDepth, info.strideHeight, info.strideWidth],
    pads: [...starts.map((start) => Math.max(0, start)), ...axes.map((axis) => axis.padEnd)],
    ...extra,
  };
  return toChannelsLast(graph, graph.node(opType, [used, ...operands], { shape, dtype: 'float32' }, { attributes }));
}

const pool = (opType: 'MaxPool' | 'AveragePool', extra: Record<string, number>) =>
  kernel<PoolAttributes>(({ inputs, attributes, graph }) => {
    const { filterSize, strides, pad, dimRoundingMode, dataFormat } = attributes;
    checkFormat(dataFormat);
    const shape = inputs['x']!.shape as Shape5D;
    const info = tf.backend_util.computePool3DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
    return slide(graph, opType, [inputs['x']!], info, extra);
  });

export const volumeKernels: KernelTable = {
  Conv3D: kernel<VolumeAttributes & { dilations: [number, number, number] | number }>(
    ({ inputs, attributes, graph }) => {
      const { x, filter } = inputs as { x: GraphValue; filter: GraphValue };
      checkFormat(attributes.dataFormat);
      const { strides, dilations, pad } = attributes;
      const info = tf.backend_util.computeConv3DInfo(
        x.shape as Shape5D,
        filter.shape as Shape5D,
        strides,
        dilations,
        pad,
      );
      // [d, h, w, in, out] → [out, in, d, h, w]
      const turned = graph.transpose(filter, [4, 3, 0, 1, 2]);
      return slide(graph, 'Conv', [x, turned], info, {
        dilations: [info.dilationDepth, info.dilationHeight, info.dilationWidth],
      });
    },
  ),
  MaxPool3D: pool('MaxPool', {}),
  AvgPool3D: pool('AveragePool', { count_include_pad: 0 }),
};

function checkFormat(dataFormat: VolumeAttributes['dataFormat'] = 'NDHWC'): void {
  if (dataFormat !== 'NDHWC')
    throw new Error(`Convolutions and pools of volumes are supported in NDHWC, got ${dataFormat}.`);
}
