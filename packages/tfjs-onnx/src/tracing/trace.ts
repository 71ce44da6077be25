import * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import type { GraphOutput } from '../graph/graph.js';
import { sameShape } from '../graph/shape.js';
import type { HostTensor } from '../host-tensor.js';
import { ensureBackend } from '../kernels/registry.js';
import { BACKEND_NAME, asTensor, graphValueOf, traceBackend } from './backend.js';

export type NamedTensors = Record<string, tf.Tensor>;
export type NamedFunction = (inputs: NamedTensors) => NamedTensors;

/** The shape and dtype of every input. */
export type Signature = Record<string, Pick<HostTensor, 'shape' | 'dtype'>>;

/** A function's recording for one signature. */
export interface TracedFunction {
  graph: Graph;
  /** By the names that `f` gave them. */
  outputs: Map<string, GraphOutput>;
  /** Variables of the caller whose values are constants of the graph, and the data that was read. */
  variables: ReadonlyMap<tf.Variable, tf.DataId>;
  /** Variables of the caller that are inputs of the graph. */
  variableInputs: ReadonlyMap<tf.Variable, GraphValue>;
  /** Variables that `f` assigned, and the outputs that hold their new values. */
  assignments: ReadonlyMap<tf.Variable, GraphOutput>;
}

export interface TraceOptions {
  constants?: Record<string, HostTensor>;
  /** Whether a variable that `f` takes from outside is an input of the graph; the others are constants. Default: none is. */
  isInput?: (variable: tf.Variable) => boolean;
}

/** Runs `f` once with tensors that have no values and records its operations. The active backend is restored. */
export function trace(
  f: NamedFunction,
  signature: Signature,
  { constants = {}, isInput = () => false }: TraceOptions = {},
): TracedFunction {
  ensureBackend();
  const previous = tf.engine().backendName;
  /** What `f` asked for and was not given; it may do without. */
  const missing = new Set<string>();
  tf.setBackend(BACKEND_NAME);
  try {
    return traceBackend.withTrace(isInput, ({ graph, variables, variableInputs, assignments }) => {
      const outputs = new Map<string, GraphOutput>();
      recordingAssignments(assignments, () => {
        const inputs: NamedTensors = {};
        for (const [name, type] of Object.entries(signature)) inputs[name] = asTensor(graph.input(name, type));
        for (const [name, { data, shape, dtype }] of Object.entries(constants))
          inputs[name] = asTensor(graph.constant(data, shape, dtype));
        for (const [name, tensor] of Object.entries(f(noticing(inputs, missing)))) {
          const modelName = name in signature ? `${name}:out` : name;
          outputs.set(name, { ...outputValue(graph, name, tensor), name: modelName });
        }
      });
      const assigned = [...assignments].map(([variable, value], position): [tf.Variable, GraphOutput] => {
        const { name, shape, dtype } = graph.materialize(value);
        return [variable, { name: `%assigned${position}`, value: name, shape, dtype }];
      });
      return { graph, outputs, variables, variableInputs, assignments: new Map(assigned) };
    });
  } catch (error) {
    if (missing.size === 0) throw explained(error);
    const known = [...Object.keys(signature), ...Object.keys(constants)];
    throw new Error(
      `The function asked for ${quoted(missing)} among its inputs, and was given ${quoted(known)}. Check the names. (${String(error)})`,
      { cause: error },
    );
  } finally {
    if (previous) tf.setBackend(previous);
  }
}

/** The inputs; a name that is not among them is added to `missing` when `f` reads it. */
function noticing(inputs: NamedTensors, missing: Set<string>): NamedTensors {
  return new Proxy(inputs, {
    get(target, name) {
      if (typeof name === 'string' && !(name in target)) missing.add(name);
      return Reflect.get(target, name) as tf.Tensor;
    },
  });
}

const quoted = (names: Iterable<string>) => [...names].map((name) => `'${name}'`).join(', ') || 'none';

/**
 * Runs `record` in a tidy, with `assign` of variables recorded instead of done: a traced tensor has no value to assign.
 * @throws when `record` makes a variable, which would outlive the trace without a value
 */
function recordingAssignments(assignments: Map<tf.Variable, GraphValue>, record: () => void): void {
  const { assign } = tf.Variable.prototype;
  const before = new Set(Object.values(tf.engine().state.registeredVariables));
  tf.Variable.prototype.assign = function (this: tf.Variable, value: tf.Tensor) {
    if (value.dtype !== this.dtype || !sameShape(value.shape, this.shape))
      throw new Error(
        `'${this.name}' is ${this.dtype} [${this.shape.join(', ')}], assigned ${value.dtype} [${value.shape.join(', ')}].`,
      );
    assignments.set(this, graphValueOf(value));
  };
  let made: tf.Variable[] = [];
  try {
    tf.tidy(record);
  } finally {
    tf.Variable.prototype.assign = assign;
    made = Object.values(tf.engine().state.registeredVariables).filter((variable) => !before.has(variable));
    tf.dispose(made);
  }
  if (made.length > 0) throw new Error(madeVariables(made));
}

const madeVariables = (made: tf.Variable[]) =>
  `The traced function made variables (${made.map(({ name }) => `'${name}'`).join(', ')}), which would be left without ` +
  'values. Make them before: an optimizer or a layer makes its own in a first step that is not compiled.';

function outputValue(graph: Graph, name: string, tensor: tf.Tensor): Omit<GraphOutput, 'name'> {
  if (!(tensor instanceof tf.Tensor)) throw new Error(`Output '${name}' is ${typeof tensor}, wanted a tf.Tensor.`);
  const value = graph.materialize(graph.cast(graphValueOf(tensor), tensor.dtype as 'float32'));
  return { value: value.name, shape: value.shape, dtype: value.dtype };
}

/** tfjs's own messages name the fault; these add the remedy. */
function explained(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const missing = /Kernel '(\w+)' not registered for backend 'onnx'/.exec(error.message)?.[1];
  if (missing)
    return new Error(
      `The tfjs kernel ${missing} has no ONNX form yet. Register one: ` +
        `registerOnnxKernel('${missing}', ({ inputs, attributes, graph }) => graph.node(…)), or compute that part outside.`,
      { cause: error },
    );
  if (error.message.includes('gradient function not found'))
    return new Error(
      `${error.message} tfjs-core alone registers no gradients in Node: import '@tensorflow/tfjs' once, anywhere.`,
      { cause: error },
    );
  return error;
}
