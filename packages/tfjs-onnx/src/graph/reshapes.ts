import type { Graph, GraphNode } from './graph.js';
import { sameShape } from './shape.js';

/**
 * A reshape of a reshape becomes a reshape of the original, one that changes nothing goes, and equal ones are computed once.
 * Each costs ONNX Runtime some microseconds, which a decoding step of a small model has many of.
 */
export function collapseReshapes(graph: Graph, nodes: readonly GraphNode[], outputs: readonly string[]): GraphNode[] {
  /** of a reshape's output: the tensor it is a view of */
  const sources = new Map<string, string>();
  const replaced = new Map<string, string>();
  const known = new Map<string, string>();
  const shapes = new Map(nodes.flatMap((node) => node.outputs.map((name, i) => [name, node.types[i]!.shape] as const)));
  const result: GraphNode[] = [];
  for (const node of nodes) {
    const inputs = node.inputs.map((name) => replaced.get(name) ?? name);
    const [output] = node.outputs as [string];
    if (node.opType !== 'Reshape') {
      result.push({ ...node, inputs });
      continue;
    }
    const source = sources.get(inputs[0]!) ?? inputs[0]!;
    const { shape } = node.types[0]!;
    const key = `${source} ${shape.join()}`;
    const same = sameShape(shapes.get(source) ?? graph.shapeOf(source), shape) ? source : known.get(key);
    // What is an output of the graph needs a node that makes it under that name.
    if (same !== undefined && !outputs.includes(output)) {
      replaced.set(output, same);
      continue;
    }
    sources.set(output, source);
    known.set(key, output);
    result.push({ ...node, inputs: [source, ...inputs.slice(1)] });
  }
  return result;
}
