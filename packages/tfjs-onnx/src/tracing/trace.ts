import * as tf from '@tensorflow/tfjs-core';
import type { Graph } from '../graph/graph.js';
import type { GraphOutput } from '../graph/onnx-model.js';
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
}

/** Runs `f` once with tensors that have no values and records its operations. The active backend is restored. */
export function trace(f: NamedFunction, signature: Signature, constants: Record<string, HostTensor>): TracedFunction {
  ensureBackend();
  const previous = tf.engine().backendName;
  tf.setBackend(BACKEND_NAME);
  try {
    return traceBackend.withTrace(({ graph, variables }) => {
      const outputs = new Map<string, GraphOutput>();
      tf.tidy(() => {
        const inputs: NamedTensors = {};
        for (const [name, type] of Object.entries(signature)) inputs[name] = asTensor(graph.input(name, type));
        for (const [name, { data, shape, dtype }] of Object.entries(constants))
          inputs[name] = asTensor(graph.constant(data, shape, dtype));
        for (const [name, tensor] of Object.entries(f(inputs))) {
          const modelName = name in signature ? `${name}:out` : name;
          outputs.set(name, { ...outputValue(graph, name, tensor), name: modelName });
        }
      });
      return { graph, outputs, variables };
    });
  } catch (error) {
    throw explained(error);
  } finally {
    if (previous) tf.setBackend(previous);
  }
}

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
