import type * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import type { KernelTable } from './kernel.js';
import { kernel } from './kernel.js';

type Shape4D = [number, number, number, number];

interface Sampling {
  alignCorners: boolean;
  halfPixelCenters?: boolean;
}

/** How far apart two neighbours of an output axis lie on the input axis. */
function scaleOf(input: number, output: number, alignCorners: boolean): number {
  return alignCorners && output > 1 ? (input - 1) / (output - 1) : input / output;
}

/** The input row from which each output row is taken. */
function nearest(input: number, output: number, { alignCorners, halfPixelCenters = false }: Sampling): number[] {
  const scale = scaleOf(input, output, alignCorners);
  return Array.from({ length: output }, (_, row) => {
    const at = scale * (halfPixelCenters ? row + 0.5 : row);
    return Math.max(0, Math.min(input - 1, alignCorners ? Math.round(at) : Math.floor(at)));
  });
}

/** What the gradient of each output row adds to each input row, [input, output]. tfjs's gradients know no half-pixel centres. */
function nearestWeights(input: number, output: number, alignCorners: boolean): Float32Array {
  const weights = new Float32Array(input * output);
  nearest(input, output, { alignCorners }).forEach((row, column) => (weights[row * output + column] = 1));
  return weights;
}

function bilinearWeights(input: number, output: number, alignCorners: boolean): Float32Array {
  const weights = new Float32Array(input * output);
  const scale = scaleOf(input, output, alignCorners);
  for (let column = 0; column < output; column++) {
    const at = column * scale;
    const [low, high] = [Math.floor(at), Math.min(Math.ceil(at), input - 1)];
    weights[low * output + column]! += 1 - (at - low);
    weights[high * output + column]! += at - low;
  }
  return weights;
}

/** Rows and columns of dy [n, oh, ow, c] summed into [n, ih, iw, c] with weights [ih, oh] and [iw, ow]. */
const gradient = (weightsOf: typeof nearestWeights) =>
  kernel<{ alignCorners: boolean }>(({ inputs, attributes, graph }) => {
    const { images, dy } = inputs as { images: GraphValue; dy: GraphValue };
    const [batch, outHeight, outWidth, channels] = dy.shape as Shape4D;
    const [, height, width] = images.shape as Shape4D;
    const product = (input: number, output: number, rows: GraphValue) => {
      const weights = graph.constant(weightsOf(input, output, attributes.alignCorners), [input, output], 'float32');
      return graph.node('MatMul', [weights, rows], { shape: rows.shape.with(1, input), dtype: 'float32' });
    };
    const tall = product(height, outHeight, graph.reshape(dy, [batch, outHeight, outWidth * channels]));
    const wide = product(width, outWidth, graph.reshape(tall, [batch * height, outWidth, channels]));
    return graph.reshape(wide, [batch, height, width, channels]);
  });

export const resizeKernels: KernelTable = {
  ResizeBilinear: kernel<tf.ResizeBilinearAttrs>(({ inputs, attributes, graph }) =>
    resizeBilinear(graph, inputs['images']!, attributes),
  ),
  ResizeNearestNeighbor: kernel<tf.ResizeNearestNeighborAttrs>(({ inputs, attributes, graph }) =>
    attributes.size.reduce<GraphValue>((images, size, position) => {
      const axis = position + 1;
      const rows = graph.integers(nearest(images.shape[axis]!, size, attributes));
      const type = { shape: images.shape.with(axis, size), dtype: images.dtype };
      return graph.node('Gather', [images, rows], type, { attributes: { axis } });
    }, inputs['images']!),
  ),
  ResizeBilinearGrad: gradient(bilinearWeights),
  ResizeNearestNeighborGrad: gradient(nearestWeights),
};

function resizeBilinear(
  graph: Graph,
  images: GraphValue,
  { alignCorners, halfPixelCenters, size }: tf.ResizeBilinearAttrs,
): GraphValue {
  const [batch, , , channels] = images.shape as Shape4D;
  const shape = [batch, channels, ...size];
  const coordinates = alignCorners ? 'align_corners' : halfPixelCenters ? 'half_pixel' : 'asymmetric';
  const operands = [graph.transpose(images, [0, 3, 1, 2]), undefined, undefined, graph.integers(shape)];
  const options = { attributes: { mode: 'linear', coordinate_transformation_mode: coordinates } };
  const resized = graph.node('Resize', operands, { shape, dtype: 'float32' }, options);
  return graph.transpose(resized, [0, 2, 3, 1]);
}
