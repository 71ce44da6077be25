import type { Graph, GraphValue } from '../graph/graph.js';
import type { KernelTable } from './kernel.js';
import { kernel } from './kernel.js';
import { matMul } from './matmul.js';

interface CachedAttentionAttributes {
  scale: number;
}

export const attentionKernels: KernelTable = {
  CachedAttention: kernel<CachedAttentionAttributes>(({ inputs, attributes, graph }) => {
    const [batch, steps] = inputs['query']!.shape as [number, number];
    return batch === 1 || steps === 1
      ? groupQueryAttention(graph, inputs, attributes.scale)
      : scatterAndAttend(graph, inputs, attributes.scale);
  }),
};

/** ONNX Runtime's own operator; it reads no more of the cache than each row has filled, but takes one step or one row. */
function groupQueryAttention(graph: Graph, inputs: Record<string, GraphValue>, scale: number): GraphValue[] {
  const { query, key, value, keyCache, valueCache, lengths } = inputs as Required<typeof inputs>;
  const [batch, steps, heads, headSize] = query!.shape as [number, number, number, number];
  const [, kvHeads, capacity] = keyCache!.shape as [number, number, number];
  const flat = (tensor: GraphValue) => graph.reshape(tensor, [batch, steps, tensor.shape[2]! * headSize]);
  // The operator wants each row's last filled position after this call, and the largest length as one number.
  const last = graph.elementwise('Add', [lengths!, graph.scalar(steps - 1, 'int32')], 'int32');
  const longest = graph.scalar(capacity, 'int32');
  const [output, newKeys, newValues] = graph.multiNode(
    'GroupQueryAttention',
    [flat(query!), flat(key!), flat(value!), keyCache, valueCache, last, longest],
    [{ shape: [batch, steps, heads * headSize], dtype: 'float32' }, keyCache!, valueCache!],
    { attributes: { num_heads: heads, kv_num_heads: kvHeads, scale: { float: scale } }, domain: 'com.microsoft' },
  );
  return [graph.reshape(output!, query!.shape), newKeys!, newValues!];
}

function scatterAndAttend(graph: Graph, inputs: Record<string, GraphValue>, scale: number): GraphValue[] {
  const { query, key, value, lengths } = inputs as Required<typeof inputs>;
  const [batch, steps, heads, headSize] = query!.shape as [number, number, number, number];
  const [, kvHeads, capacity] = inputs['keyCache']!.shape as [number, number, number];
  const int = (values: number[], shape: number[]) => graph.constant(Int32Array.from(values), shape, 'int32');
  const upTo = (count: number) => Array.from({ length: count }, (_, each) => each);
  // positions [batch, 1, steps, 1]
  const positions = graph.elementwise(
    'Add',
    [graph.reshape(lengths!, [batch, 1, 1, 1]), int(upTo(steps), [1, 1, steps, 1])],
    'int32',
  );
  const everywhere = (part: GraphValue) => graph.cast(graph.expand(part, [batch, kvHeads, steps, 1]), 'int64');
  const parts = [int(upTo(batch), [batch, 1, 1, 1]), int(upTo(kvHeads), [1, kvHeads, 1, 1]), positions].map(everywhere);
  const indices = graph.node(
    'Concat',
    parts,
    { shape: [batch, kvHeads, steps, 3], dtype: 'int64' },
    { attributes: { axis: 3 } },
  );
  const append = (cache: GraphValue, added: GraphValue) =>
    graph.node('ScatterND', [cache, indices, graph.transpose(added, [0, 2, 1, 3])], cache);
  const keyCache = append(inputs['keyCache']!, key!);
  const valueCache = append(inputs['valueCache']!, value!);
  const group = heads / kvHeads;
  const grouped = graph.reshape(graph.transpose(query!, [0, 2, 1, 3]), [batch, kvHeads, group * steps, headSize]);
  const scores = graph.elementwise(
    'Mul',
    [matMul(graph, grouped, keyCache, false, true), graph.scalar(scale, 'float32')],
    'float32',
  );
  // bias [batch, 1, 1, steps, capacity]: 0 where a query may look, very negative elsewhere
  const visible = graph.elementwise(
    'LessOrEqual',
    [int(upTo(capacity), [1, 1, 1, 1, capacity]), graph.reshape(positions, [batch, 1, 1, steps, 1])],
    'bool',
  );
  const bias = graph.elementwise(
    'Where',
    [visible, graph.scalar(0, 'float32'), graph.scalar(-1e9, 'float32')],
    'float32',
  );
  const byHead = graph.reshape(scores, [batch, kvHeads, group, steps, capacity]);
  const masked = graph.elementwise('Add', [byHead, bias], 'float32');
  const weights = graph.node('Softmax', [masked], masked, { attributes: { axis: -1 } });
  const flat = graph.reshape(weights, [batch, kvHeads, group * steps, capacity]);
  const output = graph.reshape(matMul(graph, flat, valueCache, false, false), [batch, heads, steps, headSize]);
  return [graph.transpose(output, [0, 2, 1, 3]), keyCache, valueCache];
}
