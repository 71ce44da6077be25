import * as tf from '@tensorflow/tfjs-core';
import type { HostTensor } from './host-tensor.js';
import { checkHostTensor, toHostTensor } from './host-tensor.js';
import type { ExecutionProvider } from './runtime/execution-providers.js';
import { createProgram } from './runtime/program.js';
import type { Program, SessionOptions } from './runtime/program.js';
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
  /**
   * The same run, to be repeated over the same memory: checks and views are made once, which for a small function with many
   * inputs (a decoding step) is a good part of its time. Change the contents of the inputs between runs, not the tensors;
   * outputs without memory of their own share theirs from run to run.
   */
  bind(inputs: Record<string, HostTensor>, options?: RunOptions): () => Promise<Record<string, HostTensor>>;
  /** The number of signatures compiled so far, released ones included. */
  readonly compiledCount: number;
  /** The number of signatures that are compiled now. */
  readonly cachedCount: number;
  /** Where the signature compiled last computes; undefined before the first run. */
  readonly executionProvider: ExecutionProvider | undefined;
  /** Releases every session, as soon as its last run is over. */
  dispose(): Promise<void>;
}

/** A compiled function of single tensors; it is called with tfjs tensors or host tensors, and gives tfjs tensors. */
export interface CompiledTensorFunction<Output> extends CompiledFunction {
  /** The caller disposes of the result, which lives on the active backend. */
  (...inputs: (tf.Tensor | HostTensor)[]): Promise<Output>;
}

/** A function of single tensors; at least one of its parameters is typed `tf.Tensor` in the source. */
export type TensorFunction<Output> = (...inputs: never[]) => Output;

/**
 * Compiles a function of tensors, like `jax.jit`: `f` runs once per input signature, with tensors that have no values,
 * and what it did, gradients included, becomes one ONNX Runtime session.
 *
 * Tensors that `f` takes from outside are read at that time and become constants, and so are variables, until one is assigned:
 * then the function is recorded once more, with that variable as an input that is read in every run. A variable that `f`
 * itself assigns is assigned after every run.
 */
export function compile(f: NamedFunction, options?: CompileOptions): CompiledFunction;
/** The same for a function of single tensors, `(x: tf.Tensor, y: tf.Tensor) => tf.Tensor` or `=> tf.Tensor[]`. */
export function compile<Output extends tf.Tensor | tf.Tensor[]>(
  f: TensorFunction<Output>,
  options?: CompileOptions,
): CompiledTensorFunction<Output>;
export function compile(
  f: NamedFunction | TensorFunction<tf.Tensor | tf.Tensor[]>,
  options: CompileOptions = {},
): CompiledFunction {
  const named = compileNamed(f as NamedFunction, options);
  const positional = compileNamed((inputs) => {
    const ordered = Object.keys(inputs).map((_, position) => inputs[`${position}`]!);
    const output = (f as (...all: tf.Tensor[]) => tf.Tensor | tf.Tensor[])(...ordered);
    return Object.fromEntries([output].flat().map((tensor, position) => [outputName(position, output), tensor]));
  }, options);
  const call = async (...inputs: (tf.Tensor | HostTensor)[]) => {
    const read = await Promise.all(inputs.map((input) => (input instanceof tf.Tensor ? toHostTensor(input) : input)));
    const results = await positional.run(Object.fromEntries(read.map((tensor, position) => [`${position}`, tensor])));
    const tensors = Object.values(results).map(({ data, shape, dtype }) => tf.tensor(data, shape, dtype));
    return SINGLE in results ? tensors[0]! : tensors;
  };
  const both = {
    run: named.run,
    bind: named.bind,
    dispose: () => Promise.all([named.dispose(), positional.dispose()]).then(() => {}),
  };
  return Object.defineProperties(Object.assign(call, both), {
    compiledCount: { get: () => named.compiledCount + positional.compiledCount },
    cachedCount: { get: () => named.cachedCount + positional.cachedCount },
    executionProvider: { get: () => named.executionProvider ?? positional.executionProvider },
  }) as unknown as CompiledFunction;
}

/** The output's name where a function of single tensors returns one tensor, not a list. */
const SINGLE = 'output';

const outputName = (position: number, output: tf.Tensor | tf.Tensor[]) =>
  Array.isArray(output) ? `output${position}` : SINGLE;

function compileNamed(f: NamedFunction, options: CompileOptions): CompiledFunction {
  const { constants = {}, cacheSize = 8, ...sessionOptions } = options;
  for (const [name, tensor] of Object.entries(constants)) checkHostTensor(name, tensor);
  /** Variables that change between runs. */
  const changing = new WeakSet<tf.Variable>();
  const markChanging = (variables: Iterable<tf.Variable>) => {
    for (const variable of variables) changing.add(variable);
  };
  const programs = createProgramCache(cacheSize, markChanging);
  let compiledCount = 0;
  let disposed = false;
  let executionProvider: ExecutionProvider | undefined;

  const bind: CompiledFunction['bind'] = (inputs, { outputs = {} } = {}) => {
    for (const [name, tensor] of Object.entries(inputs)) {
      checkHostTensor(name, tensor);
      if (name in constants)
        throw new Error(`'${name}' is a constant of this compiled function; it cannot be an input.`);
    }
    const signature = signatureOf(inputs);
    const key = signatureKey(signature);
    const build = async () => {
      compiledCount += 1;
      const options = { constants, isInput: (variable: tf.Variable) => changing.has(variable) };
      let traced = trace(f, signature, options);
      if ([...traced.assignments.keys()].some((variable) => traced.variables.has(variable))) {
        markChanging(traced.assignments.keys());
        traced = trace(f, signature, options);
      }
      const program = await createProgram(traced, sessionOptions);
      executionProvider = program.provider;
      return program;
    };
    let bound: { program: Program; run: ReturnType<Program['bind']> } | undefined;
    return async () => {
      if (disposed) throw new Error('This compiled function was disposed of.');
      return programs.use(key, build, (program) => {
        if (bound?.program !== program) bound = { program, run: program.bind(inputs, outputs) };
        return bound.run();
      });
    };
  };

  return {
    bind,
    run: async (inputs, runOptions) => bind(inputs, runOptions)(),
    get compiledCount() {
      return compiledCount;
    },
    get cachedCount() {
      return programs.size;
    },
    get executionProvider() {
      return executionProvider;
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
