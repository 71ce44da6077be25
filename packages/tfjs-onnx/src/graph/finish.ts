import type { Constant, Graph, GraphNode, GraphOutput, GraphValue } from './graph.js';
import { fuseAccumulations } from './accumulation.js';
import { collapseReshapes } from './reshapes.js';

/** A graph that no longer grows: only what its outputs depend on. */
export interface FinishedGraph {
  nodes: readonly GraphNode[];
  constants: ReadonlyMap<string, Constant>;
  inputs: readonly GraphValue[];
  outputs: readonly GraphOutput[];
}

/** Drops what no output depends on, merges additions into the operators that can add by themselves, and chains of reshapes into one. */
export function finishGraph(graph: Graph, outputs: readonly GraphOutput[]): FinishedGraph {
  const wanted = outputs.map((output) => output.value);
  const fused = fuseAccumulations(graph, liveNodes(graph.nodes, wanted), wanted);
  const nodes = liveNodes(collapseReshapes(graph, fused, wanted), wanted);
  const used = new Set([...nodes.flatMap((node) => node.inputs), ...wanted]);
  const constants = new Map([...graph.constants].filter(([name]) => used.has(name)));
  return { nodes, constants, inputs: graph.inputs, outputs };
}

/** The nodes from which at least one of `wanted` can be reached, in order. */
function liveNodes(nodes: readonly GraphNode[], wanted: readonly string[]): GraphNode[] {
  const needed = new Set(wanted);
  const live: GraphNode[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    for (const input of node.inputs) needed.add(input);
    live.push(node);
  }
  return live.toReversed();
}
