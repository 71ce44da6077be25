import { createConstants } from './constants.js';
import { elementTypes } from './graph.js';
import type { ConstantData, Graph, GraphAttribute, GraphDType, GraphNode, GraphValue, OutputType } from './graph.js';
import { broadcastShapes, sameShape, sizeOf } from './shape.js';

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
