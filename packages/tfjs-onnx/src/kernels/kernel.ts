import type { Graph, GraphValue } from '../graph/graph.js';

/** What a kernel sees of one call: the traced inputs by tfjs's names, the attributes, and the graph to append to. */
export interface OnnxKernelContext<Attributes = Record<string, unknown>> {
  /** By the names that tfjs gives a kernel's inputs; lists (`AddN`, `Concat`, …) have the names '0', '1', …. */
  inputs: Record<string, GraphValue>;
  attributes: Attributes;
  graph: Graph;
}

/** Appends the nodes of one tfjs kernel and returns its output or outputs. */
export type OnnxKernel<Attributes = Record<string, unknown>> = (
  context: OnnxKernelContext<Attributes>,
) => GraphValue | GraphValue[];

export type KernelTable = Record<string, OnnxKernel>;

/** Gives a kernel's attributes their type. */
export function kernel<Attributes>(emit: OnnxKernel<Attributes>): OnnxKernel {
  return emit as OnnxKernel;
}
