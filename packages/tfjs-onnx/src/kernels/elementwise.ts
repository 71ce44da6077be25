import type * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphDType, GraphValue } from '../graph/graph.js';
import type { KernelTable, OnnxKernel, OnnxKernelContext } from './kernel.js';
import { kernel } from './kernel.js';

/** Booleans count as 0 and 1 in arithmetic. */
export function numeric(graph: Graph, value: GraphValue): GraphValue {
  return value.dtype === 'bool' ? graph.cast(value, 'int32') : value;
}

export const toFloat = (graph: Graph, value: GraphValue) => graph.cast(value, 'float32');

/** tfjs's kernels keep the type of what they are given: what is computed of an int32 as a float is cut to one. */
export function likeInput(graph: Graph, result: GraphValue, { dtype }: GraphValue): GraphValue {
  return graph.cast(dtype === 'bool' ? graph.cast(result, 'int32') : result, dtype);
}

/** condition ? t : e. ONNX Runtime's Where has no booleans. */
export function choose(graph: Graph, condition: GraphValue, t: GraphValue, e: GraphValue): GraphValue {
  if (t.dtype !== 'bool') return graph.elementwise('Where', [condition, t, e], t.dtype);
  const both = (a: GraphValue, b: GraphValue) => graph.elementwise('And', [a, b], 'bool');
  return graph.elementwise('Or', [both(condition, t), both(not(graph, condition), e)], 'bool');
}

const binary = (opType: string, neutral?: { left?: number; right?: number }): OnnxKernel =>
  kernel(({ inputs, graph }) => {
    const [a, b] = [numeric(graph, inputs['a']!), numeric(graph, inputs['b']!)];
    const result = (dtype: GraphDType) => graph.elementwise(opType, [a, b], dtype);
    if (neutral === undefined) return result(a.dtype);
    const shape = () => graph.elementwiseShape([a, b]);
    if (neutral.right !== undefined && graph.splat(b) === neutral.right) return graph.expand(a, shape());
    if (neutral.left !== undefined && graph.splat(a) === neutral.left) return graph.expand(b, shape());
    return result(a.dtype);
  });

const comparison = (opType: string): OnnxKernel =>
  kernel(({ inputs, graph }) =>
    graph.elementwise(opType, [numeric(graph, inputs['a']!), numeric(graph, inputs['b']!)], 'bool'),
  );

const logical = (opType: string): OnnxKernel =>
  kernel(({ inputs, graph }) =>
    graph.elementwise(opType, [graph.cast(inputs['a']!, 'bool'), graph.cast(inputs['b']!, 'bool')], 'bool'),
  );

const not = (graph: Graph, value: GraphValue) => graph.elementwise('Not', [value], 'bool');

const multiply = binary('Mul', { left: 1, right: 1 });

export const elementwiseKernels: KernelTable = {
  Add: binary('Add', { left: 0, right: 0 }),
  Sub: binary('Sub', { right: 0 }),
  Multiply: kernel((call) => {
    const product = multiply(call as OnnxKernelContext) as GraphValue;
    const isBool = call.inputs['a']!.dtype === 'bool' && call.inputs['b']!.dtype === 'bool';
    return isBool ? call.graph.cast(product, 'bool') : product;
  }),
  RealDiv: binary('Div', { right: 1 }),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Pow: binary('Pow', { right: 1 }),
  Greater: comparison('Greater'),
  GreaterEqual: comparison('GreaterOrEqual'),
  Less: comparison('Less'),
  LessEqual: comparison('LessOrEqual'),
  Equal: comparison('Equal'),
  NotEqual: kernel(({ inputs, graph }) =>
    not(graph, graph.elementwise('Equal', [numeric(graph, inputs['a']!), numeric(graph, inputs['b']!)], 'bool')),
  ),
  LogicalAnd: logical('And'),
  LogicalOr: logical('Or'),
  LogicalNot: kernel(({ inputs, graph }) => not(graph, graph.cast(inputs['x']!, 'bool'))),
  SquaredDifference: kernel(({ inputs, graph }) => {
    const [a, b] = [numeric(graph, inputs['a']!), numeric(graph, inputs['b']!)];
    const difference = graph.elementwise('Sub', [a, b], a.dtype);
    return likeInput(graph, graph.elementwise('Mul', [difference, difference], a.dtype), inputs['a']!);
  }),
  AddN: kernel(({ inputs, graph }) => {
    const terms = Object.values(inputs);
    return terms.length === 1 ? terms[0]! : sum(graph, terms);
  }),
  ClipByValue: kernel<tf.ClipByValueAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const bounds = [attributes.clipValueMin, attributes.clipValueMax].map((bound) => graph.scalar(bound, x.dtype));
    // Clip takes scalars only, so it is one node, not two broadcasts.
    return graph.elementwise('Clip', [x, ...bounds], x.dtype);
  }),
  FloorDiv: kernel(({ inputs, graph }) => {
    const [a, b] = [toFloat(graph, inputs['a']!), toFloat(graph, inputs['b']!)];
    const quotient = graph.elementwise('Floor', [graph.elementwise('Div', [a, b], 'float32')], 'float32');
    return graph.cast(quotient, 'int32');
  }),
  Mod: kernel(({ inputs, graph }) => {
    // The sign of the divisor, as in Python; ONNX has that for integers only.
    const [a, b] = [numeric(graph, inputs['a']!), numeric(graph, inputs['b']!)];
    if (a.dtype === 'int32') return graph.elementwise('Mod', [a, b], 'int32');
    const remainder = (x: GraphValue) => graph.elementwise('Mod', [x, b], 'float32', { attributes: { fmod: 1 } });
    const negative = (x: GraphValue) => graph.elementwise('Less', [x, graph.scalar(0, 'float32')], 'bool');
    const [rest, differs] = [remainder(a), graph.elementwise('Xor', [negative(a), negative(b)], 'bool')];
    return choose(graph, differs, remainder(graph.elementwise('Add', [rest, b], 'float32')), rest);
  }),
  BitwiseAnd: kernel(({ inputs, graph }) => graph.elementwise('BitwiseAnd', [inputs['a']!, inputs['b']!], 'int32')),
  Atan2: kernel(({ inputs, graph }) => {
    const [y, x] = [toFloat(graph, inputs['a']!), toFloat(graph, inputs['b']!)];
    const at = (opType: string, ...operands: GraphValue[]) => graph.elementwise(opType, operands, 'float32');
    const number = (value: number) => graph.scalar(value, 'float32');
    const angle = at('Atan', at('Div', y, x));
    const yNegative = graph.elementwise('Less', [y, number(0)], 'bool');
    const halfTurn = at('Where', yNegative, number(-Math.PI), number(Math.PI));
    const xNegative = graph.elementwise('Less', [x, number(0)], 'bool');
    const whole = at('Where', xNegative, at('Add', angle, halfTurn), angle);
    const xZero = graph.elementwise('Equal', [x, number(0)], 'bool');
    const yZero = graph.elementwise('Equal', [y, number(0)], 'bool');
    const quarter = at('Where', yZero, number(0), at('Div', halfTurn, number(2)));
    return likeInput(graph, at('Where', xZero, quarter, whole), inputs['a']!);
  }),
  Cast: kernel<tf.CastAttrs>(({ inputs, attributes, graph }) => {
    const x = inputs['x']!;
    const dtype = attributes.dtype;
    if (dtype === 'complex64' || dtype === 'string')
      throw new Error(`A traced tensor cannot be cast to ${dtype}: float32, int32 and bool are supported.`);
    return graph.cast(x, dtype);
  }),
  Select: kernel(({ inputs, graph }) => {
    const [t, e] = [inputs['t']!, inputs['e']!];
    const condition = graph.cast(inputs['condition']!, 'bool');
    // tfjs lets a condition of rank 1 choose whole rows.
    const missing = t.shape.length - condition.shape.length;
    const aligned =
      missing > 0 ? graph.reshape(condition, [...condition.shape, ...Array<number>(missing).fill(1)]) : condition;
    return choose(graph, aligned, t, e);
  }),
};

export function sum(graph: Graph, terms: readonly GraphValue[]): GraphValue {
  return terms.reduce((total, term) => graph.elementwise('Add', [total, term], total.dtype));
}
