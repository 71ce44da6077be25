import * as tf from '@tensorflow/tfjs-core';
import type * as ort from 'onnxruntime-node';
import { finishGraph } from '../graph/finish.js';
import { encodeModel } from '../graph/onnx-model.js';
import type { HostTensor } from '../host-tensor.js';
import { allocate, toHostTensor, toOrtTensor } from '../host-tensor.js';
import type { TracedFunction } from '../tracing/trace.js';
import { workspaceBytes } from '../graph/workspace.js';
import type { ArenaBudget } from './arena-budget.js';
import { openSession } from './execution-providers.js';
import type { ExecutionProvider } from './execution-providers.js';
import { createOutputPlanner } from './output-memory.js';
import { SEQUENCE_OUTPUT, runInPlace } from './run-in-place.js';

export interface SessionOptions {
  /** Shown in profiles and errors. */
  name?: string;
  /** Tried in this order; the first that works here computes. Default: cpu alone. */
  executionProviders?: ExecutionProvider[];
  /** Threads inside one operator. Default: ONNX Runtime's, one per physical core. */
  threads?: number;
  /**
   * Whether a compiled signature keeps the memory of its runs for the next one. Off, it goes back to the system after every
   * run: twice as slow for a tiny model, a tenth slower for a large one, and smaller by far where many signatures are cached.
   * A budget (`createArenaBudget`) lets signatures keep theirs while there is room. Default true.
   */
  memoryArena?: boolean | ArenaBudget;
  /** Makes ONNX Runtime write `<prefix>_<time>.json`, a trace for chrome://tracing, when the session is released. */
  profilePrefix?: string;
}

/** One traced signature, built for ONNX Runtime. */
export interface Program {
  /** Prepares a run over the given memory, which can then be repeated. */
  bind(
    inputs: Record<string, HostTensor>,
    outputs: Record<string, HostTensor>,
  ): () => Promise<Record<string, HostTensor>>;
  release(): Promise<void>;
  /** The one that was opened. */
  readonly provider: ExecutionProvider;
  readonly variables: ReadonlyMap<tf.Variable, tf.DataId>;
}

/** Constants of this size are handed to ONNX Runtime beside the model, so that they do not count against protobuf's 2 GB. */
const EXTERNAL_THRESHOLD_BYTES = 1 << 16;

export async function createProgram(traced: TracedFunction, options: SessionOptions): Promise<Program> {
  const { name = 'tfjs', executionProviders = ['cpu'], threads, memoryArena = true, profilePrefix } = options;
  const { outputs: types, variables, variableInputs, assignments } = traced;
  const variableNames = new Set([...variableInputs.values()].map((input) => input.name));
  const finished = finishGraph(traced.graph, [...types.values(), ...assignments.values()]);
  const { nodes, inputs: graphInputs } = finished;
  const { model, external } = encodeModel(finished, {
    name,
    externalThresholdBytes: EXTERNAL_THRESHOLD_BYTES,
    sequenceOutput: SEQUENCE_OUTPUT,
  });
  const workspace = workspaceBytes(finished);
  const budget = typeof memoryArena === 'object' ? memoryArena : undefined;
  const keepsMemory = budget ? budget.take(workspace) : memoryArena === true;
  const { session, provider } = await openSession(model, executionProviders, {
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    logSeverityLevel: 3,
    // The planned layout takes up to twice the memory of the unplanned one, and was not faster.
    enableMemPattern: false,
    enableCpuMemArena: keepsMemory,
    externalData: external,
    ...(profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: profilePrefix }),
  });
  const directOutputs = createOutputPlanner({ nodes, inputs: graphInputs }, types);

  return {
    variables,
    provider,
    bind(inputs, outputs) {
      const feeds: Record<string, ort.Tensor> = {};
      for (const each of graphInputs)
        if (!variableNames.has(each.name)) feeds[each.name] = toOrtTensor(inputs[each.name]!);
      const direct = directOutputs(inputs, outputs);
      const results: Record<string, HostTensor> = {};
      const fetches: Record<string, ort.Tensor> = {};
      /** Outputs that were computed elsewhere, and where they belong. */
      const detours: [HostTensor, HostTensor][] = [];
      for (const [output, type] of types) {
        const given = outputs[output];
        const written = given && direct.has(output) ? given : allocate(type);
        fetches[type.name] = toOrtTensor(written);
        results[output] = given ?? written;
        if (given && given !== written) detours.push([written, given]);
      }
      const assigned = [...assignments].map(([variable, type]) => [variable, allocate(type)] as const);
      for (const [variable, tensor] of assigned) fetches[assignments.get(variable)!.name] = toOrtTensor(tensor);
      return async () => {
        for (const [variable, input] of variableInputs) feeds[input.name] = toOrtTensor(await toHostTensor(variable));
        try {
          await runInPlace(session, feeds, fetches);
        } catch (error) {
          throw new Error(`The compiled function '${name}' failed: ${error instanceof Error ? error.message : error}`, {
            cause: error,
          });
        }
        for (const [written, given] of detours) given.data.set(written.data);
        for (const [variable, { data, shape, dtype }] of assigned)
          tf.tidy(() => variable.assign(tf.tensor(data.slice(), shape, dtype)));
        return results;
      };
    },
    release: async () => {
      if (profilePrefix !== undefined) session.endProfiling();
      await session.release();
      if (budget && keepsMemory) budget.give(workspace);
    },
  };
}
