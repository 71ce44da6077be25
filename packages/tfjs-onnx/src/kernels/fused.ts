import type { Graph, GraphValue } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { sum } from './elementwise.js';
import type { KernelTable } from './kernel.js';
import { kernel } from './kernel.js';

/** Kernels of the functions in ../fused that are one operator of ONNX Runtime. */
export const fusedKernels: KernelTable = {
  RmsNorm: kernel<{ epsilon: number }>(({ inputs, attributes, graph }) => {
    const { x, weight } = inputs as { x: GraphValue; weight: GraphValue };
    return graph.multiNode(
      'SimplifiedLayerNormalization',
      [x, weight],
      [x, { shape: [x.shape[0]!, 1], dtype: 'float32' }],
      {
        attributes: { axis: -1, epsilon: { float: attributes.epsilon }, stash_type: 1 },
      },
    );
  }),
  Rope: kernel(({ inputs, graph }) => {
    const { x, cos, sin } = inputs as { x: GraphValue; cos: GraphValue; sin: GraphValue };
    const [batch, steps, heads, headSize] = x.shape as [number, number, number, number];
    const ownPositions = cos.shape.length === 3;
    const rows = ownPositions ? batch * steps : steps;
    // The operator looks the angles of (row, step) up in a table: either one per step, or one per row and step.
    const table = (angles: GraphValue) => graph.reshape(angles, [rows, headSize / 2]);
    const positions = ownPositions
      ? graph.constant(
          BigInt64Array.from({ length: rows }, (_, row) => BigInt(row)),
          [batch, steps],
          'int64',
        )
      : graph.integers([0]);
    const flat = graph.reshape(x, [batch, steps, heads * headSize]);
    const rotated = graph.node('RotaryEmbedding', [flat, positions, table(cos), table(sin)], flat, {
      domain: 'com.microsoft',
      attributes: { num_heads: heads, interleaved: 0 },
    });
    return graph.reshape(rotated, x.shape);
  }),
  Barrier: ({ inputs: { x, ...after }, graph }) => wait(graph, x!, Object.values(after)),
  GradientBarrier: ({ inputs: { x, source, ...after }, graph }) => {
    const isInput = graph.inputs.some(({ name }) => name === source!.name);
    return isInput || graph.constants.has(source!.name) ? x! : wait(graph, x!, Object.values(after));
  },
};

/** Both branches of a choice are x: ONNX Runtime waits for what decides it, and never simplifies it away. */
function wait(graph: Graph, x: GraphValue, after: GraphValue[]): GraphValue {
  const firsts = after.map((value) => {
    const flat = graph.reshape(value, [sizeOf(value.shape)]);
    const range = [graph.integers([0]), graph.integers([1])];
    const first = graph.node('Slice', [flat, ...range], { shape: [1], dtype: value.dtype });
    return graph.cast(first, 'float32');
  });
  const condition = graph.elementwise('IsNaN', [sum(graph, firsts)], 'bool');
  return graph.elementwise('Where', [graph.reshape(condition, []), x, x], x.dtype);
}
