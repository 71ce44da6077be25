import type { HostTensor } from './host-tensor.js';
import { checkHostTensor } from './host-tensor.js';
import { createProgram } from './runtime/program.js';
import type { SessionOptions } from './runtime/program.js';
import { createProgramCache } from './runtime/program-cache.js';
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
  /** The number of signatures that are compiled now. */
  readonly cachedCount: number;
  /** Releases every session, as soon as its last run is over. */
  dispose(): Promise<void>;
}

/**
 * Compiles a function of tensors, like `jax.jit`: `f` runs once per input signature, with tensors that have no values,
 * and what it did, gradients included, becomes one ONNX Runtime session.
 *
 * Tensors and variables that `f` takes from outside are read at that time and become constants. A variable assigned later
 * is noticed, and the function is recorded again; what changes every step should be an input.
 */
export function compile(f: NamedFunction, options: CompileOptions = {}): CompiledFunction {
  const { constants = {}, cacheSize = 8, ...sessionOptions } = options;
  for (const [name, tensor] of Object.entries(constants)) checkHostTensor(name, tensor);
  const programs = createProgramCache(cacheSize);
  let compiledCount = 0;
  let disposed = false;

  return {
    async run(inputs, { outputs = {} } = {}) {
      if (disposed) throw new Error('This compiled function was disposed of.');
      for (const [name, tensor] of Object.entries(inputs)) {
        checkHostTensor(name, tensor);
        if (name in constants)
          throw new Error(`'${name}' is a constant of this compiled function; it cannot be an input.`);
      }
      const signature = signatureOf(inputs);
      const build = async () => {
        compiledCount += 1;
        return createProgram(trace(f, signature, constants), sessionOptions);
      };
      return programs.use(signatureKey(signature), build, (program) => program.run(inputs, outputs));
    },
    get compiledCount() {
      return compiledCount;
    },
    get cachedCount() {
      return programs.size;
    },
    async dispose() {
      disposed = true;
      await programs.clear();
    },
  };
}

function signatureOf(inputs: Record<string, HostTensor>): Signature {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, dtype }]) => [name, { shape: [...shape], dtype }]),
  );
}

function signatureKey(signature: Signature): string {
  return Object.keys(signature)
    .toSorted()
    .map((name) => `${name}:${signature[name]!.dtype}[${signature[name]!.shape.join()}]`)
    .join(';');
}
