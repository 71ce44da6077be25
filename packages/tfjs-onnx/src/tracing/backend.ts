import * as tf from '@tensorflow/tfjs-core';
import type { Graph, GraphValue } from '../graph/graph.js';
import { createGraph } from '../graph/create-graph.js';

export const BACKEND_NAME = 'onnx';

/** A tensor made from host values (`tf.scalar`, `tf.ones`, …); it becomes a constant when a kernel takes it. */
interface HostValue {
  values: tf.DataTypeMap['float32' | 'int32' | 'bool'];
  shape: number[];
  dtype: tf.DataType;
}

/** What one trace has used from outside. */
export interface Trace {
  readonly graph: Graph;
  /** The variables whose values became constants, with the data they had: `assign` replaces the data. */
  readonly variables: Map<tf.Variable, tf.DataId>;
  /** The variables that became inputs: those for which `isInput` holds. */
  readonly variableInputs: Map<tf.Variable, GraphValue>;
  /** What the function has assigned so far. */
  readonly assignments: Map<tf.Variable, GraphValue>;
  isInput(variable: tf.Variable): boolean;
}

const NOT_TRACED =
  'Operations run on the onnx backend only inside a function given to compile() or exportOnnx(). ' +
  "Outside, choose another backend first, for example tf.setBackend('cpu').";

const NO_VALUES =
  'A traced tensor has no values: the function given to compile() runs once, to record its operations, and the recording ' +
  'is what ONNX Runtime executes. Return the tensor as an output and read it there; for a choice that depends on a value ' +
  'use tf.where, for a number known before the trace a plain JavaScript number.';

/**
 * The tfjs backend whose kernels append ONNX nodes instead of computing. tfjs-core runs on it unchanged, its gradients
 * too, so that the backward pass ends up in the same graph.
 */
class TraceBackend extends tf.KernelBackend {
  readonly #symbols = new WeakMap<tf.DataId, GraphValue>();
  readonly #hostValues = new Map<tf.DataId, HostValue>();
  readonly #disposed: tf.DataId[] = [];
  #trace: Trace | undefined;

  /** Runs `record` with an empty graph in place; traces do not nest. */
  withTrace<Result>(isInput: Trace['isInput'], record: (trace: Trace) => Result): Result {
    if (this.#trace) throw new Error('compile() was called inside a function that is being traced. Call it outside.');
    const [variables, variableInputs, assignments] = [new Map(), new Map(), new Map()];
    this.#trace = { graph: createGraph(), variables, variableInputs, assignments, isInput };
    try {
      return record(this.#trace);
    } finally {
      this.#trace = undefined;
      for (const dataId of this.#disposed.splice(0)) this.#hostValues.delete(dataId);
    }
  }

  graph(kernelName: string): Graph {
    if (!this.#trace) throw new Error(`${kernelName}: ${NOT_TRACED}`);
    return this.#trace.graph;
  }

  /** The value of a variable of the caller: what was assigned to it, an input, or nothing where its value is a constant. */
  variable(variable: tf.Variable): GraphValue | undefined {
    const { graph, variables, variableInputs, assignments, isInput } = this.#trace!;
    const known = assignments.get(variable) ?? variableInputs.get(variable);
    if (known) return known;
    if (!isInput(variable)) {
      variables.set(variable, variable.dataId);
      return undefined;
    }
    const { shape, dtype } = variable;
    const input = graph.input(graph.freshName(), { shape, dtype: dtype as GraphValue['dtype'] });
    variableInputs.set(variable, input);
    return input;
  }

  addSymbol(value: GraphValue): tf.DataId {
    const dataId = {};
    this.#symbols.set(dataId, value);
    return dataId;
  }

  symbol(dataId: tf.DataId): GraphValue | undefined {
    return this.#symbols.get(dataId);
  }

  hostValues(dataId: tf.DataId): HostValue['values'] | undefined {
    return this.#hostValues.get(dataId)?.values;
  }

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const dataId = {};
    this.move(dataId, values, shape, dtype);
    return dataId;
  }

  override move(dataId: tf.DataId, values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): void {
    if (dtype === 'string' || dtype === 'complex64')
      throw new Error(`The onnx backend has no ${dtype} tensors: float32, int32 and bool are supported.`);
    this.#hostValues.set(dataId, { values: values as HostValue['values'], shape, dtype });
  }

  override readSync(dataId: tf.DataId): tf.backend_util.BackendValues {
    const host = this.#hostValues.get(dataId);
    if (!host) throw new Error(NO_VALUES);
    return host.values;
  }

  override async read(dataId: tf.DataId): Promise<tf.backend_util.BackendValues> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: tf.DataId): boolean {
    // Until the trace is over: a gradient may still want what its forward pass made and tidied away.
    if (this.#trace) this.#disposed.push(dataId);
    else this.#hostValues.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.#hostValues.size;
  }

  override refCount(): number {
    return 1;
  }

  override incRef(): void {}

  override timerAvailable(): boolean {
    return false;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {
    this.#hostValues.clear();
  }
}

export const traceBackend = new TraceBackend();

/** The graph's value for a tensor: one made by the trace, or a constant holding the values of any other tensor. */
export function graphValueOf(tensor: tf.TensorInfo): GraphValue {
  const graph = traceBackend.graph('A tensor');
  const known = traceBackend.symbol(tensor.dataId);
  if (known) return graph.reshape(known, tensor.shape);
  const variable = tensor instanceof tf.Variable ? traceBackend.variable(tensor) : undefined;
  if (variable) return variable;
  const values = traceBackend.hostValues(tensor.dataId) ?? (tf.engine().readSync(tensor.dataId) as HostValue['values']);
  return graph.constant(toConstantData(values, tensor.dtype), tensor.shape, tensor.dtype as GraphValue['dtype']);
}

export function asTensorInfo(value: GraphValue): tf.TensorInfo {
  const dtype = value.dtype === 'int64' ? 'int32' : value.dtype;
  return { dataId: traceBackend.addSymbol(value), shape: [...value.shape], dtype };
}

export function asTensor(value: GraphValue): tf.Tensor {
  const { dataId, shape, dtype } = asTensorInfo(value);
  return tf.engine().makeTensorFromDataId(dataId, shape, dtype, traceBackend);
}

function toConstantData(values: ArrayLike<number>, dtype: tf.DataType): Float32Array | Int32Array | Uint8Array {
  if (dtype === 'float32') return values instanceof Float32Array ? values : Float32Array.from(values);
  if (dtype === 'int32') return values instanceof Int32Array ? values : Int32Array.from(values);
  if (dtype === 'bool') return values instanceof Uint8Array ? values : Uint8Array.from(values);
  throw new Error(`A ${dtype} tensor cannot be part of a compiled function: float32, int32 and bool are supported.`);
}
