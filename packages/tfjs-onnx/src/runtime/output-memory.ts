import { createInPlaceCheck } from '../graph/in-place.js';
import type { FinishedGraph } from '../graph/finish.js';
import type { GraphOutput } from '../graph/graph.js';
import { sameShape } from '../graph/shape.js';
import type { HostTensor } from '../host-tensor.js';
import { checkHostTensor } from '../host-tensor.js';

/**
 * Checks the memory that a caller gave for outputs and says which outputs ONNX Runtime may write there directly. The
 * others overlap an input that is still needed when they are written; they take a detour through memory of their own.
 */
export function createOutputPlanner(
  { nodes, inputs: graphInputs }: Pick<FinishedGraph, 'nodes' | 'inputs'>,
  outputs: ReadonlyMap<string, GraphOutput>,
) {
  let isSafe: ReturnType<typeof createInPlaceCheck> | undefined;
  const decided = new Map<string, boolean>();

  function mayOverwrite(input: string, output: string): boolean {
    const key = JSON.stringify([input, output]);
    let answer = decided.get(key);
    if (answer === undefined) {
      const wanted = outputs.get(output)!;
      isSafe ??= createInPlaceCheck(nodes);
      const inputShape = graphInputs.find(({ name }) => name === input)!.shape;
      answer = isSafe(input, wanted.value, sameShape(inputShape, wanted.shape));
      decided.set(key, answer);
    }
    return answer;
  }

  function check(output: string, tensor: HostTensor): void {
    const type = outputs.get(output);
    if (!type)
      throw new Error(`There is no output '${output}' to write; there are: ${[...outputs.keys()].join(', ')}.`);
    checkHostTensor(output, tensor);
    if (tensor.dtype !== type.dtype || !sameShape(tensor.shape, type.shape))
      throw new Error(
        `Output '${output}' is ${type.dtype} [${type.shape.join(', ')}], ` +
          `the memory given for it ${tensor.dtype} [${tensor.shape.join(', ')}].`,
      );
  }

  return function directOutputs(inputs: Record<string, HostTensor>, given: Record<string, HostTensor>): Set<string> {
    const byBuffer = new Map<ArrayBufferLike, [string, HostTensor][]>();
    for (const entry of Object.entries(inputs)) {
      const { buffer } = entry[1].data;
      byBuffer.set(buffer, [...(byBuffer.get(buffer) ?? []), entry]);
    }
    const direct = new Set<string>();
    for (const [output, tensor] of Object.entries(given)) {
      check(output, tensor);
      const overlapping = (byBuffer.get(tensor.data.buffer) ?? []).filter(([, { data }]) => overlap(data, tensor.data));
      const safe = overlapping.every(
        ([input, { data }]) => data.byteOffset === tensor.data.byteOffset && mayOverwrite(input, output),
      );
      if (safe) direct.add(output);
    }
    return direct;
  };
}

function overlap(a: HostTensor['data'], b: HostTensor['data']): boolean {
  return a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}
