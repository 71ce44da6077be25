import * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import { activate } from './activation.js';
import type { KernelTable } from './kernel.js';
import { kernel } from './kernel.js';

/** What tfjs's convolution kernels have in common. */
interface ConvolutionAttributes {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dilations?: [number, number] | number;
  dataFormat?: 'NHWC' | 'NCHW';
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4D = [number, number, number, number];

/** A convolution's geometry; ONNX has channels second, tfjs's CPU last. */
function geometry(
  x: readonly number[],
  filter: readonly number[],
  attributes: ConvolutionAttributes,
  depthwise: boolean,
) {
  const { strides, pad, dilations = [1, 1], dataFormat = 'NHWC', dimRoundingMode } = attributes;
  if (dataFormat !== 'NHWC') throw new Error(`Convolutions are supported in NHWC, got ${dataFormat}.`);
  const info = tf.backend_util.computeConv2DInfo(
    x as Shape4D,
    filter as Shape4D,
    strides,
    dilations,
    pad,
    dimRoundingMode,
    depthwise,
  );
  const { top, left, bottom, right } = info.padInfo;
  return {
    info,
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [top, left, bottom, right],
  };
}

const toChannelsFirst = (graph: Graph, x: GraphValue) => graph.transpose(x, [0, 3, 1, 2]);
const toChannelsLast = (graph: Graph, x: GraphValue) => graph.transpose(x, [0, 2, 3, 1]);
const float = (shape: readonly number[]) => ({ shape, dtype: 'float32' as const });

/** [h, w, in, out] → [out, in, h, w]; depthwise [h, w, in, multiplier] → [in · multiplier, 1, h, w] */
function onnxFilter(graph: Graph, filter: GraphValue, depthwise: boolean): GraphValue {
  const [height, width, channels, multiplier] = filter.shape as Shape4D;
  if (!depthwise) return graph.transpose(filter, [3, 2, 0, 1]);
  return graph.reshape(graph.transpose(filter, [2, 3, 0, 1]), [channels * multiplier, 1, height, width]);
}

function convolve(
  graph: Graph,
  x: GraphValue,
  filter: GraphValue,
  attributes: ConvolutionAttributes,
  depthwise: boolean,
): GraphValue {
  const { info, strides, dilations, pads } = geometry(x.shape, filter.shape, attributes, depthwise);
  const group = depthwise ? info.inChannels : 1;
  const operands = [toChannelsFirst(graph, x), onnxFilter(graph, filter, depthwise)];
  const output = float([info.batchSize, info.outChannels, info.outHeight, info.outWidth]);
  return toChannelsLast(
    graph,
    graph.node('Conv', operands, output, { attributes: { group, strides, dilations, pads } }),
  );
}

function gradientOfInput(
  graph: Graph,
  { dy, filter }: Record<string, GraphValue>,
  attributes: ConvolutionAttributes & { inputShape: number[] },
  depthwise: boolean,
): GraphValue {
  const { info, strides, dilations, pads } = geometry(attributes.inputShape, filter!.shape, attributes, depthwise);
  // What the strides left over at the end of an axis: no output depends on it.
  const rest = [0, 1].map((axis) => {
    const [size, out] = [[info.inHeight, info.inWidth][axis]!, [info.outHeight, info.outWidth][axis]!];
    const reach = (filter!.shape[axis]! - 1) * dilations[axis]! + 1;
    return size - ((out - 1) * strides[axis]! + reach - pads[axis]! - pads[axis + 2]!);
  });
  const group = depthwise ? info.inChannels : 1;
  const operands = [toChannelsFirst(graph, dy!), onnxFilter(graph, filter!, depthwise)];
  const output = float([info.batchSize, info.inChannels, info.inHeight, info.inWidth]);
  return toChannelsLast(
    graph,
    graph.node('ConvTranspose', operands, output, {
      attributes: { group, strides, dilations, pads, output_padding: rest },
    }),
  );
}

/** The correlation of x and dy: a convolution whose batch is the channels, and whose strides and dilations are swapped. */
function gradientOfFilter(
  graph: Graph,
  { x, dy }: Record<string, GraphValue>,
  attributes: ConvolutionAttributes & { filterShape: number[] },
  depthwise: boolean,
): GraphValue {
  const { info, strides, dilations, pads } = geometry(x!.shape, attributes.filterShape, attributes, depthwise);
  const [height, width, channels, multiplier] = attributes.filterShape as Shape4D;
  const { batchSize, inHeight, inWidth, outHeight, outWidth } = info;
  const images = graph.transpose(x!, [3, 0, 1, 2]); // [in, batch, h, w]
  const kernels = graph.transpose(dy!, [3, 0, 1, 2]); // [out, batch, h, w]
  const operands = depthwise
    ? [graph.reshape(images, [1, channels * batchSize, inHeight, inWidth]), kernels]
    : [images, kernels];
  const covered = [0, 1].map((axis) => {
    const padded = [inHeight, inWidth][axis]! + pads[axis]! + pads[axis + 2]!;
    const reach = ([outHeight, outWidth][axis]! - 1) * strides[axis]! + 1;
    return Math.floor((padded - reach) / dilations[axis]!) + 1;
  });
  const rows = depthwise ? [1, channels * multiplier] : [channels, info.outChannels];
  const all = graph.node('Conv', operands, float([...rows, ...covered]), {
    attributes: { group: depthwise ? channels : 1, strides: dilations, dilations: strides, pads },
  });
  const ends = [graph.integers([0, 0]), graph.integers([height, width]), graph.integers([2, 3])];
  const cropped = graph.node('Slice', [all, ...ends], float([...rows, height, width]));
  return graph.transpose(graph.reshape(cropped, [channels, multiplier, height, width]), [2, 3, 0, 1]);
}

interface FusedAttributes extends ConvolutionAttributes {
  activation?: tf.fused.Activation;
  leakyreluAlpha?: number;
}

const fused = (depthwise: boolean) =>
  kernel<FusedAttributes>(({ inputs, attributes, graph }) => {
    const product = convolve(graph, inputs['x']!, inputs['filter']!, attributes, depthwise);
    const bias = inputs['bias'];
    const sum = bias ? graph.elementwise('Add', [product, bias], 'float32') : product;
    const { activation, leakyreluAlpha = 0.2 } = attributes;
    return activate(graph, sum, activation, { weights: inputs['preluActivationWeights'], leakyreluAlpha });
  });

export const convolutionKernels: KernelTable = {
  Conv2D: kernel<ConvolutionAttributes>(({ inputs, attributes, graph }) =>
    convolve(graph, inputs['x']!, inputs['filter']!, attributes, false),
  ),
  DepthwiseConv2dNative: kernel<ConvolutionAttributes>(({ inputs, attributes, graph }) =>
    convolve(graph, inputs['x']!, inputs['filter']!, attributes, true),
  ),
  FusedConv2D: fused(false),
  FusedDepthwiseConv2D: fused(true),
  Conv2DBackpropInput: kernel<ConvolutionAttributes & { inputShape: number[] }>(({ inputs, attributes, graph }) =>
    gradientOfInput(graph, inputs, attributes, false),
  ),
  Conv2DBackpropFilter: kernel<ConvolutionAttributes & { filterShape: number[] }>(({ inputs, attributes, graph }) =>
    gradientOfFilter(graph, inputs, attributes, false),
  ),
  DepthwiseConv2dNativeBackpropInput: kernel<ConvolutionAttributes & { inputShape: number[] }>(
    ({ inputs, attributes, graph }) => gradientOfInput(graph, inputs, attributes, true),
  ),
  DepthwiseConv2dNativeBackpropFilter: kernel<ConvolutionAttributes & { filterShape: number[] }>(
    ({ inputs, attributes, graph }) => gradientOfFilter(graph, inputs, attributes, true),
  ),
};
