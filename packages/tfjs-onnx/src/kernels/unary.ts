import type * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import { likeInput, numeric, toFloat } from './elementwise.js';
import type { KernelTable, OnnxKernel } from './kernel.js';
import { kernel } from './kernel.js';

/** A short way to write formulas over float32 values. */
const formula = (graph: Graph) => ({
  number: (value: number) => graph.scalar(value, 'float32'),
  at: (opType: string, ...operands: GraphValue[]) => graph.elementwise(opType, operands, 'float32'),
  is: (opType: string, ...operands: GraphValue[]) => graph.elementwise(opType, operands, 'bool'),
});

type Formula = ReturnType<typeof formula>;

/** A float function of a float; other types are cast before, and the result is cast back. */
const float = (emit: string | ((x: GraphValue, f: Formula) => GraphValue)): OnnxKernel =>
  kernel(({ inputs, graph }) => {
    const x = toFloat(graph, inputs['x']!);
    const f = formula(graph);
    return likeInput(graph, typeof emit === 'string' ? f.at(emit, x) : emit(x, f), inputs['x']!);
  });

/** Keeps the input's type (int32 stays int32). */
const sameType = (opType: string): OnnxKernel =>
  kernel(({ inputs, graph }) => {
    const x = numeric(graph, inputs['x']!);
    return graph.cast(graph.elementwise(opType, [x], x.dtype), inputs['x']!.dtype);
  });

/** Integers are their own rounding. */
const rounding = (opType: string): OnnxKernel =>
  kernel(({ inputs, graph }) =>
    inputs['x']!.dtype === 'float32' ? graph.elementwise(opType, [inputs['x']!], 'float32') : inputs['x']!,
  );

const test = (emit: (x: GraphValue, f: Formula) => GraphValue): OnnxKernel =>
  kernel(({ inputs, graph }) => emit(toFloat(graph, inputs['x']!), formula(graph)));

export const unaryKernels: KernelTable = {
  // the only one whose result is a float whatever it is given
  Exp: kernel(({ inputs, graph }) => graph.elementwise('Exp', [toFloat(graph, inputs['x']!)], 'float32')),
  Log: float('Log'),
  Sqrt: float('Sqrt'),
  Sigmoid: float('Sigmoid'),
  Tanh: float('Tanh'),
  Sin: float('Sin'),
  Cos: float('Cos'),
  Tan: float('Tan'),
  Asin: float('Asin'),
  Acos: float('Acos'),
  Atan: float('Atan'),
  Sinh: float('Sinh'),
  Cosh: float('Cosh'),
  Asinh: float('Asinh'),
  Acosh: float('Acosh'),
  Atanh: float('Atanh'),
  Erf: float('Erf'),
  Reciprocal: float('Reciprocal'),
  Rsqrt: float((x, { at }) => at('Reciprocal', at('Sqrt', x))),
  // eˣ − 1 = 2 eˣᐟ² sinh(x / 2): exact where eˣ is close to 1
  Expm1: float((x, { at, is, number }) => {
    const half = at('Mul', x, number(0.5));
    const small = at('Mul', at('Mul', at('Exp', half), number(2)), at('Sinh', half));
    return at('Where', is('Less', at('Abs', x), number(1)), small, at('Sub', at('Exp', x), number(1)));
  }),
  // log(1 + x) = 2 artanh(x / (x + 2)): exact where 1 + x is close to 1
  Log1p: float((x, { at, is, number }) => {
    const small = at('Mul', at('Atanh', at('Div', x, at('Add', x, number(2)))), number(2));
    return at('Where', is('Less', at('Abs', x), number(0.5)), small, at('Log', at('Add', x, number(1))));
  }),
  // max(x, 0) + log(1 + e^−|x|) does not overflow
  Softplus: float((x, { at, number }) => {
    const tail = at('Log', at('Add', at('Exp', at('Neg', at('Abs', x))), number(1)));
    return at('Add', at('Max', x, number(0)), tail);
  }),
  Neg: sameType('Neg'),
  Abs: sameType('Abs'),
  Sign: sameType('Sign'),
  Floor: rounding('Floor'),
  Ceil: rounding('Ceil'),
  Round: rounding('Round'),
  Relu: kernel(({ inputs, graph }) => {
    const x = numeric(graph, inputs['x']!);
    return graph.cast(graph.elementwise('Max', [x, graph.scalar(0, x.dtype)], x.dtype), inputs['x']!.dtype);
  }),
  Relu6: kernel(({ inputs, graph }) => {
    const x = numeric(graph, inputs['x']!);
    const clipped = graph.elementwise('Clip', [x, graph.scalar(0, x.dtype), graph.scalar(6, x.dtype)], x.dtype);
    return graph.cast(clipped, inputs['x']!.dtype);
  }),
  Elu: float('Elu'),
  EluGrad: kernel(({ inputs, graph }) => {
    const { at, is, number } = formula(graph);
    const { dy, y } = inputs as { dy: GraphValue; y: GraphValue };
    return at('Where', is('GreaterOrEqual', y, number(0)), dy, at('Mul', dy, at('Add', y, number(1))));
  }),
  Selu: kernel(({ inputs, graph }) =>
    likeInput(
      graph,
      graph.elementwise('Selu', [toFloat(graph, inputs['x']!)], 'float32', {
        attributes: { alpha: { float: 1.6732632423543772 }, gamma: { float: 1.0507009873554805 } },
      }),
      inputs['x']!,
    ),
  ),
  LeakyRelu: kernel<tf.LeakyReluAttrs>(({ inputs, attributes, graph }) =>
    graph.elementwise('LeakyRelu', [toFloat(graph, inputs['x']!)], 'float32', {
      attributes: { alpha: { float: attributes.alpha } },
    }),
  ),
  Prelu: kernel(({ inputs, graph }) => {
    const { at, is, number } = formula(graph);
    const { x, alpha } = inputs as { x: GraphValue; alpha: GraphValue };
    return at('Where', is('Less', x, number(0)), at('Mul', x, alpha), x);
  }),
  Square: kernel(({ inputs, graph }) => {
    const x = numeric(graph, inputs['x']!);
    return graph.cast(graph.elementwise('Mul', [x, x], x.dtype), inputs['x']!.dtype);
  }),
  Step: kernel<tf.StepAttrs>(({ inputs, attributes, graph }) => {
    const { at, is, number } = formula(graph);
    const x = toFloat(graph, inputs['x']!);
    const step = at('Where', is('Greater', x, number(0)), number(1), number(attributes.alpha));
    return likeInput(graph, at('Where', is('IsNaN', x), x, step), inputs['x']!);
  }),
  IsNan: test((x, { is }) => is('IsNaN', x)),
  IsInf: test((x, { is }) => is('IsInf', x)),
  IsFinite: test((x, { is }) => is('Not', is('Or', is('IsNaN', x), is('IsInf', x)))),
};
