import type { Graph, GraphNode } from './graph.js';
import { reshapeAttributes } from './create-graph.js';
import { sameShape, sizeOf } from './shape.js';

/**
 * Merges `Add` into its operand where that is, and is only used as,
 * - a matrix product: `Add(Gemm(a, b), c)` → `Gemm(a, b, c)`, for biases, residual connections and accumulated gradients;
 * - rows scattered into zeros: `Add(ScatterElements(0, …), c)` → `ScatterElements(c, …)`, for the gradient of an embedding
 *   that is also the output layer. The zeros, as large as the embedding, are never made.
 */
export function fuseAccumulations(graph: Graph, nodes: readonly GraphNode[], outputs: readonly string[]): GraphNode[] {
  const uses = new Map<string, number>();
  for (const name of [...nodes.flatMap((node) => node.inputs), ...outputs]) uses.set(name, (uses.get(name) ?? 0) + 1);
  const producers = new Map<string, GraphNode>();
  const result: GraphNode[] = [];

  function push(node: GraphNode): string {
    result.push(node);
    for (const output of node.outputs) producers.set(output, node);
    return node.outputs[0]!;
  }

  function reshape(from: string, shape: readonly number[], dtype: 'float32' | 'int32', to: string): string {
    const inputs = [from, graph.integers(shape).name];
    const attributes = reshapeAttributes(shape);
    return push({ opType: 'Reshape', domain: '', inputs, outputs: [to], attributes, types: [{ shape, dtype }] });
  }

  /** Appends `name + other` as one node without an Add and returns true, where the producer of `name` allows that. */
  function addInto(name: string, other: string, output: string, shape: readonly number[], preferred: string): boolean {
    const node = uses.get(name) === 1 ? producers.get(name) : undefined;
    if (!node) return false;
    if (node.opType === 'Reshape') {
      const source = producers.get(node.inputs[0]!);
      if (source?.opType !== preferred) return false;
      const sourceShape = source.types[0]!.shape;
      const sum = graph.freshName();
      if (!addInto(node.inputs[0]!, other, sum, sourceShape, preferred)) return false;
      reshape(sum, shape, 'float32', output);
      return true;
    }
    if (node.opType !== preferred || node.types[0]!.dtype !== 'float32') return false;
    const { types, inputs } = node;
    const otherShape = graph.shapeOf(other);
    const isBias = preferred === 'Gemm' && otherShape.length === 1 && otherShape[0] === types[0]!.shape[1];
    if (!isBias && sizeOf(otherShape) !== sizeOf(types[0]!.shape)) return false;
    const operand = () =>
      isBias || sameShape(otherShape, types[0]!.shape)
        ? other
        : reshape(other, types[0]!.shape, 'float32', graph.freshName());
    if (node.opType === 'Gemm') {
      if (inputs.length !== 2) return false;
      push({ ...node, inputs: [...inputs, operand()], outputs: [output] });
      return true;
    }
    if (node.attributes['reduction'] !== 'add') return false;
    const base = isZeros(inputs[0]!) ? operand() : graph.freshName();
    if (base !== other && !isZeros(inputs[0]!) && !addInto(inputs[0]!, other, base, types[0]!.shape, 'Gemm'))
      return false;
    push({ ...node, inputs: [base, ...inputs.slice(1)], outputs: [output] });
    return true;
  }

  function isZeros(name: string): boolean {
    const node = producers.get(name);
    return node?.opType === 'Expand' && graph.constants.get(node.inputs[0]!)?.data[0] === 0;
  }

  for (const node of nodes) {
    const [left, right] = node.inputs as [string, string];
    const { shape } = node.types[0]!;
    const done =
      node.opType === 'Add' &&
      left !== right &&
      ['ScatterElements', 'Gemm'].some(
        (opType) =>
          addInto(right, left, node.outputs[0]!, shape, opType) ||
          addInto(left, right, node.outputs[0]!, shape, opType),
      );
    if (!done) push(node);
  }
  return result;
}
