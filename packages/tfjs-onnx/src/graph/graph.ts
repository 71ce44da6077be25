export type GraphDType = 'float32' | 'int32' | 'bool' | 'int64';

/**
 * A tensor inside the graph. `stored` is the shape of the ONNX tensor called `name`; it broadcasts to `shape`, the shape
 * the program sees. They differ where a broadcast has been asked for but not yet been needed (see `Graph.expand`).
 */
export interface GraphValue {
  readonly name: string;
  readonly shape: readonly number[];
  readonly stored: readonly number[];
  readonly dtype: GraphDType;
}

/** Integers become INT, strings STRING, arrays INTS; floats are marked, since 1 and 1.0 are one number in JavaScript. */
export type GraphAttribute = number | string | readonly number[] | { readonly float: number };

export interface GraphNode {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: string[];
  readonly attributes: Readonly<Record<string, GraphAttribute>>;
  /** Of the outputs. */
  readonly types: readonly OutputType[];
}

export interface OutputType {
  shape: readonly number[];
  dtype: GraphDType;
}

export interface NodeOptions {
  attributes?: Record<string, GraphAttribute>;
  /** '' for the ONNX standard operators, 'com.microsoft' for ONNX Runtime's own. */
  domain?: string;
  /** False for an operator whose result differs from one execution to the next (random numbers). Default true. */
  pure?: boolean;
}

export interface Constant {
  readonly data: ConstantData;
  readonly shape: readonly number[];
  readonly dtype: GraphDType;
}

/** A graph output: the name it has in the model and the value inside the graph. */
export interface GraphOutput {
  /** Differs from every input's name: ONNX allows no second value of the same name. */
  name: string;
  value: string;
  shape: readonly number[];
  dtype: GraphDType;
}

/** An ONNX graph under construction. Every value's shape is known, so shapes never have to be computed at run time. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly GraphValue[];
  readonly constants: ReadonlyMap<string, Constant>;
  input(name: string, type: OutputType): GraphValue;
  /** Appends a node with one output. An equal node that is there already is used again. */
  node(
    opType: string,
    inputs: readonly (GraphValue | undefined)[],
    output: OutputType,
    options?: NodeOptions,
  ): GraphValue;
  /** Appends a node with several outputs. */
  multiNode(
    opType: string,
    inputs: readonly (GraphValue | undefined)[],
    outputs: readonly OutputType[],
    options?: NodeOptions,
  ): GraphValue[];
  /** Appends an operator with NumPy broadcasting. Operands that wait to be broadcast stay small, and so may the result. */
  elementwise(opType: string, inputs: readonly GraphValue[], dtype: GraphDType, options?: NodeOptions): GraphValue;
  /** The shape that `elementwise` gives these operands. */
  elementwiseShape(inputs: readonly GraphValue[]): number[];
  constant(data: ConstantData, shape: readonly number[], dtype: GraphDType): GraphValue;
  scalar(value: number, dtype: GraphDType): GraphValue;
  /** A 1-D int64 constant: the form in which ONNX takes axes, shapes and sizes. */
  integers(values: readonly number[]): GraphValue;
  /** A name that nothing has yet. */
  freshName(): string;
  /** The ONNX shape of anything in the graph, by name. */
  shapeOf(name: string): readonly number[];
  /** The number that every element of `value` is, if it is a constant of that kind. */
  splat(value: GraphValue): number | undefined;
  reshape(value: GraphValue, shape: readonly number[]): GraphValue;
  cast(value: GraphValue, dtype: GraphDType): GraphValue;
  transpose(value: GraphValue, permutation: readonly number[]): GraphValue;
  /** Broadcasts lazily: elementwise operators do it themselves, every other operator makes an Expand node first. */
  expand(value: GraphValue, shape: readonly number[]): GraphValue;
  /** The same value with `stored` equal to `shape`. */
  materialize(value: GraphValue): GraphValue;
}

export type ConstantData = Float32Array | Int32Array | Uint8Array | BigInt64Array;

export const elementTypes: Record<GraphDType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };
