import * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import { activate } from './activation.js';
import { crop, uncrop, window } from './window.js';
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

/**
 * A convolution's geometry; ONNX has channels second, tfjs's CPU last. The padding at the end is what the output needs: for
 * a padding given as a number, tfjs derives both sizes of the output from the filter's height.
 */
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
  const [rows, columns] = [
    window(info.inHeight, info.outHeight, info.strideHeight, info.effectiveFilterHeight, info.padInfo.top),
    window(info.inWidth, info.outWidth, info.strideWidth, info.effectiveFilterWidth, info.padInfo.left),
  ];
  return {
    info,
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [info.padInfo.top, info.padInfo.left, rows.padEnd, columns.padEnd],
    /** [height, width] of the part of the input that the output depends on. */
    used: [rows.used, columns.used],
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
  const { info, strides, dilations, pads, used } = geometry(x.shape, filter.shape, attributes, depthwise);
  const group = depthwise ? info.inChannels : 1;
  const operands = [crop(graph, toChannelsFirst(graph, x), used), onnxFilter(graph, filter, depthwise)];
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
  const { info, strides, dilations, pads, used } = geometry(
    attributes.inputShape,
    filter!.shape,
    attributes,
    depthwise,
  );
  const group = depthwise ? info.inChannels : 1;
  const operands = [toChannelsFirst(graph, dy!), onnxFilter(graph, filter!, depthwise)];
  const output = float([info.batchSize, info.inChannels, ...used]);
  const gradient = graph.node('ConvTranspose', operands, output, { attributes: { group, strides, dilations, pads } });
  return toChannelsLast(graph, uncrop(graph, gradient, [info.inHeight, info.inWidth]));
}

/** The correlation of x and dy: a convolution whose batch is the channels, and whose strides and dilations are swapped. */
function gradientOfFilter(
  graph: Graph,
  { x, dy }: Record<string, GraphValue>,
  attributes: ConvolutionAttributes & { filterShape: number[] },
  depthwise: boolean,
): GraphValue {
  const { info, strides, dilations, pads, used } = geometry(x!.shape, attributes.filterShape, attributes, depthwise);
  const [height, width, channels, multiplier] = attributes.filterShape as Shape4D;
  const images = crop(graph, graph.transpose(x!, [3, 0, 1, 2]), used); // [in, batch, h, w]
  const kernels = graph.transpose(dy!, [3, 0, 1, 2]); // [out, batch, h, w]
  const operands = depthwise
    ? [graph.reshape(images, [1, channels * info.batchSize, ...used]), kernels]
    : [images, kernels];
  const rows = depthwise ? [1, channels * multiplier] : [channels, info.outChannels];
  const all = graph.node('Conv', operands, float([...rows, height, width]), {
    attributes: { group: depthwise ? channels : 1, strides: dilations, dilations: strides, pads },
  });
  return graph.transpose(graph.reshape(all, [channels, multiplier, height, width]), [2, 3, 0, 1]);
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
