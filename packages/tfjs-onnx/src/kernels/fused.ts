import type { GraphValue } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
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
  // Both branches are x: the choice makes ONNX Runtime wait for `after`, and is never simplified away.
  Barrier: kernel(({ inputs, graph }) => {
    const { x, after } = inputs as { x: GraphValue; after: GraphValue };
    const flat = graph.reshape(after, [sizeOf(after.shape)]);
    const first = graph.node('Slice', [flat, graph.integers([0]), graph.integers([1])], {
      shape: [1],
      dtype: after.dtype,
    });
    const condition = graph.elementwise('IsNaN', [graph.cast(first, 'float32')], 'bool');
    const scalar = graph.reshape(condition, []);
    return graph.elementwise('Where', [scalar, x, x], x.dtype);
  }),
};
