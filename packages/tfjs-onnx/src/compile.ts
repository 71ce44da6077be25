import type * as tf from '@tensorflow/tfjs-core';
import type { HostTensor } from './host-tensor.js';
import { checkHostTensor } from './host-tensor.js';
import { createProgram } from './runtime/program.js';
import type { Program, SessionOptions } from './runtime/program.js';
import { trace } from './tracing/trace.js';
import type { NamedFunction, Signature } from './tracing/trace.js';

export interface CompileOptions extends SessionOptions {
  /**
   * Tensors that never change (frozen weights): `f` sees them among its inputs, the graph keeps them as initializers,
   * which ONNX Runtime packs once for its matrix kernels.
   */
  constants?: Record<string, HostTensor>;
  /** How many input signatures stay compiled; the one used longest ago is released first. Default 8. */
  cacheSize?: number;
}

export interface RunOptions {
  /**
   * Memory for some or all outputs. It is written in place and returned; it may be an input's own memory
   * (parameters, moments, KV caches), which is then updated.
   */
  outputs?: Record<string, HostTensor>;
}

export interface CompiledFunction {
  /** Runs the function; an input signature (names, shapes, dtypes) seen for the first time is traced and built. */
  run(inputs: Record<string, HostTensor>, options?: RunOptions): Promise<Record<string, HostTensor>>;
  /** The number of signatures compiled so far, released ones included. */
  readonly compiledCount: number;
  /** Releases every session. */
  dispose(): Promise<void>;
}

export function compile(f: NamedFunction, options: CompileOptions = {}): CompiledFunction {
  const { constants = {}, cacheSize = 8, ...sessionOptions } = options;
  for (const [name, tensor] of Object.entries(constants)) checkHostTensor(name, tensor);
  const programs = new Map<string, Promise<Program>>();
  let compiledCount = 0;
  let disposed = false;

  async function programFor(inputs: Record<string, HostTensor>): Promise<Program> {
    const key = signatureKey(inputs);
    const cached = programs.get(key);
    if (cached && !(await isStale(cached))) {
      programs.delete(key);
      programs.set(key, cached);
      return cached;
    }
    compiledCount += 1;
    const signature: Signature = Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, dtype }]) => [name, { shape: [...shape], dtype }]),
    );
    const built = Promise.resolve().then(() => createProgram(trace(f, signature, constants), sessionOptions));
    programs.set(key, built);
    built.catch(() => programs.get(key) === built && programs.delete(key));
    if (programs.size > cacheSize) {
      const [oldest, program] = programs.entries().next().value!;
      programs.delete(oldest);
      await (await program).release();
    }
    return built;
  }

  return {
    async run(inputs, { outputs = {} } = {}) {
      if (disposed) throw new Error('This compiled function was disposed of.');
      for (const [name, tensor] of Object.entries(inputs)) {
        checkHostTensor(name, tensor);
        if (name in constants)
          throw new Error(`'${name}' is a constant of this compiled function; it cannot be an input.`);
      }
      const program = await programFor(inputs);
      return program.run(inputs, outputs);
    },
    get compiledCount() {
      return compiledCount;
    },
    async dispose() {
      disposed = true;
      const all = [...programs.values()];
      programs.clear();
      for (const program of all) await (await program).release();
    },
  };
}

function signatureKey(inputs: Record<string, HostTensor>): string {
  return Object.keys(inputs)
    .toSorted()
    .map((name) => `${name}:${inputs[name]!.dtype}[${inputs[name]!.shape.join()}]`)
    .join(';');
}

/** A variable captured by the function has been assigned since: its old value is a constant of the program. */
async function isStale(program: Promise<Program>): Promise<boolean> {
  const { variables } = await program;
  return [...variables].some(
    ([variable, dataId]: [tf.Variable, tf.DataId]) => !variable.isDisposed && variable.dataId !== dataId,
  );
}
