import type * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import type { KernelTable } from './kernel.js';
import { kernel } from './kernel.js';

/** Kernels over images [n, height, width, channels] that are neither convolutions nor pools nor plain resizing. */
export const imageKernels: KernelTable = {
  // y = x / (bias + alpha · Σ x²)^beta, the sum over the channels at most depthRadius away; ONNX divides alpha by their number.
  LRN: kernel<tf.LRNAttrs>(({ inputs, attributes, graph }) => {
    const { depthRadius, bias, alpha, beta } = attributes;
    const size = 2 * depthRadius + 1;
    const x = graph.transpose(inputs['x']!, [0, 3, 1, 2]);
    const floats = { alpha: { float: alpha * size }, beta: { float: beta }, bias: { float: bias } };
    const normal = graph.node('LRN', [x], x, { attributes: { size, ...floats } });
    return graph.transpose(normal, [0, 2, 3, 1]);
  }),
  // With norm = bias + alpha · Σ x²: dx = dy · norm^−beta − 2 · alpha · beta · x · Σ (dy · y / norm).
  LRNGrad: kernel<tf.LRNGradAttrs>(({ inputs, attributes, graph }) => {
    const { x, y, dy } = inputs as Record<'x' | 'y' | 'dy', GraphValue>;
    const { depthRadius, bias, alpha, beta } = attributes;
    const at = (opType: string, ...operands: GraphValue[]) => graph.elementwise(opType, operands, 'float32');
    const number = (value: number) => graph.scalar(value, 'float32');
    const sum = (values: GraphValue) => sumOfNeighbours(graph, values, depthRadius);
    const norm = at('Add', at('Mul', sum(at('Mul', x, x)), number(alpha)), number(bias));
    const own = at('Mul', dy, at('Pow', norm, number(-beta)));
    const shared = sum(at('Div', at('Mul', dy, y), norm));
    return at('Sub', own, at('Mul', at('Mul', x, number(2 * alpha * beta)), shared));
  }),
  CropAndResize: kernel<tf.CropAndResizeAttrs>(({ inputs, attributes, graph }) => {
    const { image, boxes, boxInd } = inputs as Record<'image' | 'boxes' | 'boxInd', GraphValue>;
    const { cropSize, method, extrapolationValue } = attributes;
    const channelsFirst = graph.transpose(image, [0, 3, 1, 2]);
    const size = graph.constant(Int32Array.from(cropSize), [2], 'int32');
    const output = { shape: [boxes.shape[0]!, image.shape[3]!, ...cropSize], dtype: 'float32' as const };
    const crops = graph.node('CropAndResize', [channelsFirst, boxes, boxInd, size], output, {
      domain: 'com.microsoft',
      attributes: { mode: method, extrapolation_value: { float: extrapolationValue } },
    });
    return graph.transpose(crops, [0, 2, 3, 1]);
  }),
  FlipLeftRight: ({ inputs, graph }) => {
    const [start, end, axis, step] = [-1, -(2 ** 31), 2, -1].map((value) => graph.integers([value]));
    return graph.node('Slice', [inputs['image']!, start, end, axis, step], inputs['image']!);
  },
};

/** Each channel of x [n, h, w, c] summed up with those at most `radius` away: a product with a band of ones. */
function sumOfNeighbours(graph: Graph, x: GraphValue, radius: number): GraphValue {
  const channels = x.shape[3]!;
  const band = Float32Array.from({ length: channels ** 2 }, (_, cell) =>
    Math.abs((cell % channels) - Math.floor(cell / channels)) <= radius ? 1 : 0,
  );
  return graph.node('MatMul', [x, graph.constant(band, [channels, channels], 'float32')], x);
}
