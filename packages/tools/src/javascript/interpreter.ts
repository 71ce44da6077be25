import packagedVariant from '@jitl/quickjs-wasmfile-release-sync';
import { newQuickJSWASMModuleFromVariant, newVariant } from 'quickjs-emscripten-core';
import type {
  CustomizeVariantOptions,
  QuickJSContext,
  QuickJSHandle,
  QuickJSRuntime,
  QuickJSSyncVariant,
} from 'quickjs-emscripten-core';
import { COLLECTED_OUTPUT_LENGTH } from '../code-observations.js';
import type { CodeRun } from '../code-observations.js';
import { PRELUDE } from './prelude.js';

export interface InterpreterOptions {
  /** of the policy's objects; array buffers count as well */
  memoryLimitBytes: number;
  /** seed of `Math.random` */
  seed: number;
  /** what `Date.now()` says, milliseconds since 1970 */
  nowMs: number;
  /** one realm for all runs instead of a fresh one for each */
  keepRealm: boolean;
}

export interface InterpreterRun extends CodeRun {
  /** the WebAssembly instance may be corrupt, or has grown to its limit: never use it again */
  damaged: boolean;
}

interface Interpreter {
  run(code: string, timeLimitMs: number): InterpreterRun;
}

// the variant's types describe its CommonJS form; Node's own types do not name WebAssembly
const variant = packagedVariant as unknown as QuickJSSyncVariant;
type WasmMemory = NonNullable<CustomizeVariantOptions['wasmMemory']> & { readonly buffer: ArrayBuffer };
const { Memory } = (
  globalThis as unknown as { WebAssembly: { Memory: new (pages: { initial: number; maximum: number }) => WasmMemory } }
).WebAssembly;

const PAGE_BYTES = 65_536;
// what the module asks for at its start
const INITIAL_PAGES = 256;
// deep nesting fails cleanly at 64 KB; at 256 KB it aborted the module
const MAX_STACK_BYTES = 64 << 10;

/** QuickJS in a WebAssembly memory that cannot grow beyond its limit. Synchronous: belongs in a worker. */
export async function createInterpreter(options: InterpreterOptions): Promise<Interpreter> {
  const { memoryLimitBytes, keepRealm } = options;
  const maximum = INITIAL_PAGES + Math.ceil(memoryLimitBytes / PAGE_BYTES);
  const wasmMemory = new Memory({ initial: INITIAL_PAGES, maximum });
  const quickjs = await newQuickJSWASMModuleFromVariant(newVariant(variant, { wasmMemory }));
  const isFull = () => wasmMemory.buffer.byteLength >= memoryLimitBytes;
  const openRealm = () => createRealm(quickjs.newRuntime(), options, isFull);
  let kept: Realm | undefined;

  return {
    run(code, timeLimitMs) {
      let realm: Realm | undefined;
      let ended: CodeRun | undefined;
      try {
        realm = keepRealm ? (kept ??= openRealm()) : openRealm();
        ended = realm.run(code, Date.now() + timeLimitMs);
        if (!keepRealm) realm.dispose();
        // memory that has grown never shrinks
        return { ...ended, damaged: !keepRealm && isFull() };
      } catch (error) {
        // the module aborted: for want of memory, or it is broken
        const outcome = /OOM|memory/i.test(String(error)) ? 'memory-limit' : 'crashed';
        return { outcome, stdout: realm?.output() ?? '', ...ended, damaged: true };
      }
    },
  };
}

interface Realm {
  run(code: string, deadline: number): CodeRun;
  output(): string;
  dispose(): void;
}

function createRealm(
  runtime: QuickJSRuntime,
  { memoryLimitBytes, seed, nowMs }: InterpreterOptions,
  isFull: () => boolean,
): Realm {
  runtime.setMemoryLimit(memoryLimitBytes);
  runtime.setMaxStackSize(MAX_STACK_BYTES);
  const context = runtime.newContext();
  let printed = '';
  const write = context.newFunction('write', (text) => {
    if (printed.length < COLLECTED_OUTPUT_LENGTH) printed += context.getString(text);
    printed = printed.slice(0, COLLECTED_OUTPUT_LENGTH);
  });
  const prelude = context.unwrapResult(context.evalCode(PRELUDE, 'prelude.js'));
  const helpers = context.unwrapResult(
    context.callFunction(prelude, context.undefined, write, context.newNumber(seed), context.newNumber(nowMs)),
  );
  const inspect = context.getProp(helpers, 'inspect');
  const describe = context.getProp(helpers, 'describe');

  return {
    run(code, deadline) {
      printed = '';
      let late = false;
      runtime.setInterruptHandler(() => (late ||= Date.now() > deadline));
      // nothing where the code has broken what describes a value, or left no memory for it
      const show = (helper: QuickJSHandle, value: QuickJSHandle): string | undefined => {
        const result = context.callFunction(helper, context.undefined, value);
        const text = result.error ? undefined : context.getString(result.value);
        (result.error ?? result.value).dispose();
        return text;
      };
      const ended = evaluate(context, runtime, code);
      const outcome: CodeRun = { outcome: 'finished', stdout: '' };
      if (ended.error) {
        const error = show(describe, ended.error);
        outcome.outcome = outcomeOf(error, isFull());
        if (error !== undefined) outcome.error = error + lineOf(context, ended.error);
      } else if (!printed && context.typeof(ended.value) !== 'undefined') {
        outcome.value = show(inspect, ended.value);
      }
      (ended.error ?? ended.value).dispose();
      if (late) outcome.outcome = 'time-limit';
      return { ...outcome, stdout: printed };
    },
    output: () => printed,
    dispose() {
      for (const handle of [inspect, describe, helpers, prelude, write]) handle.dispose();
      context.dispose();
      runtime.dispose();
    },
  };
}

type Evaluated = { value: QuickJSHandle; error?: undefined } | { error: QuickJSHandle };

/** Runs code and all promise jobs. A promise as the last value counts as what it was settled with. */
function evaluate(context: QuickJSContext, runtime: QuickJSRuntime, code: string): Evaluated {
  // top-level await is for modules only; an exception named SyntaxError may also come from code that has run
  if (!/\bawait\b/.test(code) || isScript(context, code)) {
    const asScript = context.evalCode(code, 'code.js');
    return asScript.error ? asScript : settled(context, runtime, asScript.value);
  }
  const asModule = context.evalCode(code, 'code.js', { type: 'module' });
  if (asModule.error) return asModule;
  const ended = settled(context, runtime, asModule.value);
  if (ended.error) return ended;
  // the value of a module is its exports: nothing to show
  ended.value.dispose();
  return { value: context.undefined };
}

function isScript(context: QuickJSContext, code: string): boolean {
  const compiled = context.evalCode(code, 'code.js', { compileOnly: true });
  (compiled.error ?? compiled.value).dispose();
  return !compiled.error;
}

function settled(context: QuickJSContext, runtime: QuickJSRuntime, value: QuickJSHandle): Evaluated {
  const jobs = runtime.executePendingJobs();
  if (jobs.error) {
    value.dispose();
    return { error: jobs.error };
  }
  const state = context.getPromiseState(value);
  if (state.type === 'fulfilled' && state.notAPromise) return { value };
  value.dispose();
  if (state.type === 'rejected') return { error: state.error };
  return { value: state.type === 'fulfilled' ? state.value : context.undefined };
}

/** @param isFull no memory is left: then an exception may be `null`, or there was none for describing it */
function outcomeOf(error: string | undefined, isFull: boolean): CodeRun['outcome'] {
  if (error === 'InternalError: stack overflow') return 'stack-limit';
  if (error === 'InternalError: out of memory') return 'memory-limit';
  return isFull && (error === undefined || error === 'Uncaught null') ? 'memory-limit' : 'exception';
}

/** " (line 3)" for an error that was thrown in the code. */
function lineOf(context: QuickJSContext, error: QuickJSHandle): string {
  // what was thrown may have anything as its `stack`
  const stack = context
    .getProp(error, 'stack')
    .consume((handle) => (context.typeof(handle) === 'string' ? context.getString(handle) : ''));
  const line = /code\.js:(\d+)/.exec(stack)?.[1];
  return line ? ` (line ${line})` : '';
}
