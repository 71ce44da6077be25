import { createConstants } from './constants.js';
import type { Constant } from './constants.js';
import { broadcastShapes, sameShape, sizeOf } from './shape.js';

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

export function createGraph(): Graph {
  const nodes: GraphNode[] = [];
  const inputs: GraphValue[] = [];
  const reshaped = new Map<string, GraphValue>();
  const known = new Map<string, GraphValue[]>();
  const shapes = new Map<string, readonly number[]>();
  let counter = 0;
  // '%' keeps them apart from the caller's names.
  const freshName = () => `%${counter++}`;
  const { constants, constant, splat } = createConstants(freshName);

  const value = (name: string, { shape, dtype }: OutputType): GraphValue => ({ name, shape, stored: shape, dtype });

  const append: Graph['multiNode'] = (opType, operands, outputs, options = {}) => {
    const { attributes = {}, domain = '', pure = true } = options;
    const names = operands.map((operand) => (operand ? operand.name : ''));
    const key = JSON.stringify([domain, opType, names, attributes, outputs.map((output) => output.shape)]);
    const before = pure ? known.get(key) : undefined;
    if (before) return before;
    const values = outputs.map((output) => value(freshName(), output));
    const node = {
      opType,
      domain,
      inputs: names,
      outputs: values.map((output) => output.name),
      attributes,
      types: outputs,
    };
    nodes.push(node);
    for (const output of values) shapes.set(output.name, output.stored);
    if (pure) known.set(key, values);
    return values;
  };

  const graph: Graph = {
    nodes,
    inputs,
    constants,
    constant,
    splat,
    freshName,
    shapeOf: (name) => shapes.get(name) ?? constants.get(name)!.shape,
    input(name, type) {
      const added = value(name, type);
      inputs.push(added);
      shapes.set(name, type.shape);
      return added;
    },
    multiNode(opType, operands, outputs, options) {
      return append(
        opType,
        operands.map((operand) => operand && graph.materialize(operand)),
        outputs,
        options,
      );
    },
    node(opType, operands, output, options) {
      return graph.multiNode(opType, operands, [output], options)[0]!;
    },
    elementwiseShape: (operands) => broadcastShapes(operands.map((operand) => operand.shape)),
    elementwise(opType, operands, dtype, options) {
      const shape = graph.elementwiseShape(operands);
      const stored = broadcastShapes(operands.map((operand) => operand.stored));
      return { ...append(opType, operands, [{ shape: stored, dtype }], options)[0]!, shape };
    },
    scalar: (number, dtype) => constant(scalarData(number, dtype), [], dtype),
    integers: (values) => constant(BigInt64Array.from(values, BigInt), [values.length], 'int64'),
    reshape(source, shape) {
      if (sameShape(source.shape, shape)) return source;
      const stored = withAxesOfLengthOneMoved(source, shape);
      if (stored) return { ...storedReshape(source, stored), shape };
      return storedReshape(graph.materialize(source), shape);
    },
    cast(source, dtype) {
      if (source.dtype === dtype) return source;
      const to = (from: GraphValue) =>
        graph.elementwise('Cast', [from], dtype, { attributes: { to: elementTypes[dtype] } });
      if (source.dtype !== 'float32' || dtype !== 'int32') return to(source);
      // What an int32 has no room for is undefined in ONNX. The low half of an int64 wraps around as JavaScript does, and is 0
      // for NaN and infinities.
      const low = graph.constant(BigInt64Array.of(0xffff_ffffn), [], 'int64');
      return to(graph.elementwise('BitwiseAnd', [graph.cast(source, 'int64'), low], 'int64'));
    },
    transpose(source, permutation) {
      if (permutation.every((axis, position) => axis === position)) return source;
      const shape = permutation.map((axis) => source.shape[axis]!);
      const padded = paddedStored(source);
      const moved = permutation.filter((axis) => padded[axis] !== 1);
      const target = permutation.map((axis) => padded[axis]!);
      // Only axes of length 1 change places: the data stays where it is.
      if (moved.every((axis, position) => position === 0 || moved[position - 1]! < axis))
        return { ...storedReshape(source, target), shape };
      const full = storedReshape(source, padded);
      return {
        ...append('Transpose', [full], [{ shape: target, dtype: source.dtype }], {
          attributes: { perm: permutation },
        })[0]!,
        shape,
      };
    },
    expand: (source, shape) => (sameShape(source.shape, shape) ? source : { ...source, shape }),
    materialize(source) {
      if (sameShape(source.shape, source.stored)) return source;
      if (sizeOf(source.shape) === sizeOf(source.stored)) return storedReshape(source, source.shape);
      const type = { shape: source.shape, dtype: source.dtype };
      return append('Expand', [source, graph.integers(source.shape)], [type])[0]!;
    },
  };

  /** Reshapes the ONNX tensor itself; a chain of reshapes becomes one. */
  function storedReshape(source: GraphValue, shape: readonly number[]): GraphValue {
    if (sameShape(source.stored, shape)) return { ...source, shape };
    const origin = reshaped.get(source.name) ?? source;
    if (sameShape(origin.stored, shape)) return { ...origin, shape };
    const options = { attributes: reshapeAttributes(shape) };
    const result = append('Reshape', [origin, graph.integers(shape)], [{ shape, dtype: source.dtype }], options)[0]!;
    reshaped.set(result.name, origin);
    return result;
  }

  return graph;
}

/** By default a 0 in a Reshape's shape means the size that is there. */
export function reshapeAttributes(shape: readonly number[]): Record<string, GraphAttribute> {
  return shape.includes(0) ? { allowzero: 1 } : {};
}

/** The stored shape with as many axes as the value has. */
export function paddedStored({ shape, stored }: GraphValue): number[] {
  return [...Array<number>(shape.length - stored.length).fill(1), ...stored];
}

/** The stored shape after a reshape that only adds or drops axes of length 1 (or anything, for a single number). */
function withAxesOfLengthOneMoved(source: GraphValue, target: readonly number[]): number[] | undefined {
  if (sizeOf(source.stored) === 1) return [];
  if (sameShape(source.shape, source.stored)) return undefined;
  const isLong = (size: number) => size !== 1;
  if (!sameShape(source.shape.filter(isLong), target.filter(isLong))) return undefined;
  const sizes = paddedStored(source).filter((_, axis) => isLong(source.shape[axis]!));
  return target.map((size) => (isLong(size) ? sizes.shift()! : 1));
}

function scalarData(number: number, dtype: GraphDType): ConstantData {
  if (dtype === 'float32') return Float32Array.of(number);
  if (dtype === 'int32') return Int32Array.of(number);
  return dtype === 'bool' ? Uint8Array.of(number) : BigInt64Array.of(BigInt(number));
}
