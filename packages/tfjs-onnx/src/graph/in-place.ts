import type { GraphNode } from './graph.js';

/** Operators that read element i of an operand of the output's shape only to write element i of the output. */
const ELEMENTWISE = new Set([
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Max',
  'Min',
  'Where',
  'Clip',
  'Neg',
  'Abs',
  'Sqrt',
  'Identity',
]);
/** Operators that update an operand: [operand, output]. Where both are one memory, ONNX Runtime skips its copy. */
const UPDATES: Record<string, readonly (readonly [number, number])[]> = {
  ScatterND: [[0, 0]],
  ScatterElements: [[0, 0]],
  // C of A·B + C
  Gemm: [[2, 0]],
  GroupQueryAttention: [
    [3, 1],
    [4, 2],
  ],
};

/**
 * Answers whether an output may be written over the memory of an input. ONNX Runtime orders nodes only by their data, so
 * that is safe when each reader of the input is finished before the output's producer starts, hence is one of its
 * ancestors; the producer itself may read it element by element.
 */
export function createInPlaceCheck(
  nodes: readonly GraphNode[],
): (input: string, output: string, sameShape: boolean) => boolean {
  const producer = new Map<string, number>();
  const readers = new Map<string, number[]>();
  nodes.forEach((node, index) => {
    for (const output of node.outputs) producer.set(output, index);
    for (const input of new Set(node.inputs)) readers.set(input, [...(readers.get(input) ?? []), index]);
  });
  const parents = nodes.map((node) => node.inputs.flatMap((input) => producer.get(input) ?? []));

  function ancestorsOf(start: number): Set<number> {
    const found = new Set<number>();
    const open = [start];
    for (let index = open.pop(); index !== undefined; index = open.pop())
      for (const parent of parents[index]!)
        if (!found.has(parent)) {
          found.add(parent);
          open.push(parent);
        }
    return found;
  }

  /** Nodes that read the memory of `value`, through reshapes too: those share it. */
  function readersOf(value: string): { index: number; operand: string }[] {
    return (readers.get(value) ?? []).flatMap((index) => {
      const views = nodes[index]!.opType === 'Reshape' ? readersOf(nodes[index]!.outputs[0]!) : [];
      return [{ index, operand: value }, ...views];
    });
  }

  return (input, output, sameShape) => {
    const last = producer.get(output);
    if (last === undefined) return input === output;
    const { opType, inputs, outputs } = nodes[last]!;
    const ancestors = ancestorsOf(last);
    return readersOf(input).every(({ index, operand }) => {
      if (index !== last) return ancestors.has(index);
      if (opType === 'Reshape') return true;
      if (!sameShape) return false;
      if (ELEMENTWISE.has(opType)) return true;
      const updated = UPDATES[opType]?.find(([, position]) => outputs[position] === output)?.[0];
      return inputs.every((name, position) => name !== operand || position === updated);
    });
  };
}
