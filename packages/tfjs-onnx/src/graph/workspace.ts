import type { FinishedGraph } from './finish.js';
import { sizeOf } from './shape.js';

const BYTES = { float32: 4, int32: 4, int64: 8, bool: 1 };

/**
 * Bytes of all values that a run computes and has not yet read for the last time, where most are alive: what a session's arena grows to,
 * about (ONNX Runtime chooses its own order of nodes, and computes some values over others). Outputs have memory of their own.
 */
export function workspaceBytes({ nodes, outputs }: Pick<FinishedGraph, 'nodes' | 'outputs'>): number {
  /** A reshape's result is its operand's memory. */
  const owners = new Map<string, string>();
  const ownerOf = (value: string) => owners.get(value) ?? value;
  const lastReader = new Map<string, number>();
  nodes.forEach(({ opType, inputs, outputs: [output] }, index) => {
    if (opType === 'Reshape') owners.set(output!, ownerOf(inputs[0]!));
    inputs.forEach((input) => lastReader.set(ownerOf(input), index));
  });
  const elsewhere = new Set(outputs.map(({ value }) => ownerOf(value)));
  const alive = new Map<string, number>();
  let [bytes, most] = [0, 0];
  nodes.forEach((node, index) => {
    node.types.forEach(({ shape, dtype }, position) => {
      const output = node.outputs[position]!;
      if (owners.has(output) || elsewhere.has(output) || !lastReader.has(output)) return;
      alive.set(output, sizeOf(shape) * BYTES[dtype]);
      bytes += alive.get(output)!;
    });
    most = Math.max(most, bytes);
    for (const value of new Set(node.inputs.map(ownerOf))) {
      if (lastReader.get(value) !== index) continue;
      bytes -= alive.get(value) ?? 0;
      alive.delete(value);
    }
  });
  return most;
}
