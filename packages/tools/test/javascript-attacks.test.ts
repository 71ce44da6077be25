import { callTool, closeTools } from '@tapo/tools';
import { createJavascript } from '@tapo/tools/javascript';
import { afterAll, describe, expect, it } from 'vitest';

const limits = { memoryLimitBytes: 32 * 2 ** 20, maxOutputLength: 500 };
const quick = createJavascript({ ...limits, timeLimitMs: 200, concurrency: 1 });
// where something else than the time limit is to end the code, on a busy machine too
const patient = createJavascript({ ...limits, timeLimitMs: 20_000, concurrency: 1 });
afterAll(() => closeTools([quick, patient]));

const TIME = /^Time limit exceeded: the code ran longer than 0\.2 s\.$/;
const MEMORY = /^Memory limit exceeded: the code needs more than 32 MB\.$/;
const RECURSION = /^Recursion limit exceeded/;

type Attack = [name: string, code: string, observation: RegExp];

/** Each attack ends as said, and the call after it finds everything as new. */
function attackTests(attacks: readonly Attack[]): void {
  it.each(attacks)('%s', async (_name, code, observation) => {
    const tool = observation === TIME ? quick : patient;
    expect((await callTool(tool, code)).observation).toMatch(observation);
    const next = 'print([1].map((x) => x + 1), typeof mine, ({}).mine, Object.keys(globalThis).length)';
    expect((await callTool(tool, next)).observation).toBe('[ 2 ] undefined undefined 2');
  });
}

describe('code from text reaches no host:', () => {
  attackTests([
    ['a function', 'Function("return typeof process + typeof require")()', /^'undefinedundefined'$/],
    [
      'a generator',
      '(function* () {}).constructor("yield typeof process")().next().value.constructor("return typeof os")()',
      /not a function|'undefined'/,
    ],
    ['an asynchronous function', '(async () => {}).constructor("return typeof process")()', /^'undefined'$/],
    ['eval in the global scope', '(0, eval)("this === globalThis && typeof process")', /^'undefined'$/],
    ['a module by URL', 'await import("data:text/javascript,1")', /could not load module/],
    ['the address of the module', 'print(import.meta.url); await 1', /^undefined$/],
    [
      'the caller of its functions',
      'print((function f() { return f.caller })(), print.caller)',
      /null|undefined|TypeError/,
    ],
    [
      'the trace of an exception',
      'try { null.x } catch (e) { print(e.stack.trim()) }',
      /^at <eval> \(code\.js:1:11\)$/,
    ],
    [
      'whoever calls a patched built-in',
      'Array.prototype.map = function (f) { return [f.caller] }; print(1)',
      /^TypeError: invalid property access/,
    ],
    ['shared memory to wait on', 'print(typeof Atomics)', /^undefined$/],
    [
      'a task for later',
      'print(typeof queueMicrotask, typeof setTimeout, typeof setInterval)',
      /^undefined undefined undefined$/,
    ],
    [
      'the real clock',
      'new (class extends Date {})().getTime() - Date.now() + Reflect.construct(Date, []).getTime()',
      /^1735689600000$/,
    ],
    [
      'a clock made by counting',
      'const start = Date.now(); for (let i = 0; i < 1e5; i += 1); print(Date.now() - start, typeof performance)',
      /^0 undefined$/,
    ],
  ]);
});

describe('nothing outlives the time limit:', () => {
  attackTests([
    [
      'a thrown value that describes itself for ever',
      'throw { get name() { for (;;); }, __proto__: Error.prototype }',
      TIME,
    ],
    ['a thrown proxy', 'throw new Proxy({}, { getPrototypeOf() { for (;;); } })', TIME],
    ['a trace that never comes', 'throw { get stack() { for (;;); } }', TIME],
    [
      'a syntax error whose name never comes',
      'Object.defineProperty(SyntaxError.prototype, "name", { get() { for (;;); } }); eval("x +")',
      TIME,
    ],
    ['instanceof', 'Object.defineProperty(Error, Symbol.hasInstance, { value() { for (;;); } }); throw 1', TIME],
    ['a value whose keys never end', 'new Proxy({}, { ownKeys() { for (;;); } })', TIME],
    ['something awaited that never says', 'await { then() { for (;;); } }', TIME],
    [
      'jobs that make two jobs each',
      'const f = () => { Promise.resolve().then(f); Promise.resolve().then(f) }; f(); for (;;);',
      TIME,
    ],
    [
      'a generator that will not be closed',
      'for (const x of (function* () { try { yield 1 } finally { for (;;); } })()) break',
      TIME,
    ],
    ['a class that is never complete', 'class A { static { for (;;); } }', TIME],
    ['JSON with a reviver', 'JSON.parse("[1]", () => { for (;;); })', TIME],
    ['nested repetitions', '/(?:(?:(?:a?){50}){50}){50}b/.test("a".repeat(1000))', TIME],
    ['a recursion that starts again at each return', 'const f = () => { try { f() } finally { f() } }; f()', TIME],
    [
      'a comparison that asks for another',
      '[3, 2, 1].sort(function f() { return [2, 1].sort(f).length })',
      /limit exceeded/,
    ],
    ['a list turned round', 'Array.prototype.reverse.call({ length: 2 ** 53 - 1 })', TIME],
    ['a list searched from its end', 'Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)', TIME],
    ['a list copied onto itself', 'Array.prototype.copyWithin.call({ length: 2 ** 53 - 1 }, 0, 1)', TIME],
    ['lists of holes', '[].concat({ length: 2 ** 32, [Symbol.isConcatSpreadable]: true })', TIME],
  ]);
});

describe('nothing takes more than its memory:', () => {
  attackTests([
    ['promises that wait for one another', 'const f = () => Promise.resolve().then(f); f()', MEMORY],
    ['lists within lists', 'const a = () => Array(100).fill(0); a().map(() => a().map(() => a().map(a)))', MEMORY],
    ['a text of texts', 'const a = []; for (let s = "a".repeat(2 ** 20); ; ) a.push(s + a.length)', MEMORY],
    ['padding', '"".padStart(2 ** 30 - 1)', MEMORY],
    ['a text split into its letters', '"a".repeat(1e7).split("")', MEMORY],
    [
      'an exception with a message made for it',
      'throw { get name() { return "z".repeat(2e7) }, get message() { return this.name }, __proto__: Error.prototype }',
      MEMORY,
    ],
    ['shared buffers', 'const a = []; for (;;) a.push(new SharedArrayBuffer(1e6))', MEMORY],
    ['buffers that may grow', 'new ArrayBuffer(1, { maxByteLength: 2 ** 40 })', /RangeError|^The code ran/],
    ['whole numbers', 'for (let a = 3n; ; ) a *= a', /BigInt is too large/],
    ['a list filled through its length', 'Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 1)', MEMORY],
    ['parameters', 'Function(...Array.from({ length: 70_000 }, (_, i) => "a" + i), "")', /too many arguments/],
  ]);
});

describe('nothing nests deeper than the stack:', () => {
  attackTests([
    ['getters', 'new (class { get a() { return this.a } })().a', RECURSION],
    ['conversions', '({ toString() { return this + "" } }) + ""', RECURSION],
    ['proxies of proxies', 'let p = {}; for (let i = 0; i < 1e5; i += 1) p = new Proxy(p, {}); p.a', RECURSION],
    ['templates', 'eval("`${".repeat(5000) + "1" + "}`".repeat(5000))', /stack overflow/],
    [
      'a trace of objects within objects',
      'let a = {}; for (let i = 0; i < 5000; i += 1) a = { a }; const e = new Error("x"); e.stack = a; throw e',
      /^Error: x$/,
    ],
  ]);
});

describe('what it breaks is its own:', () => {
  attackTests([
    [
      'the prototype of all objects',
      'Object.prototype.mine = 1; Object.prototype.damaged = true; Object.prototype.outcome = "finished"; throw new Error("x")',
      /^Error: x \(line 1\)$/,
    ],
    ['joining', 'Array.prototype.join = () => "pwned"; print(1)', /^pwned$/],
    [
      'joining into a flood',
      'Array.prototype.join = () => "x".repeat(5e6); print(1)',
      /^x+\n… \[999500 characters left out\] …\nx+$/,
    ],
    [
      'joining into nothing a text can be made of',
      'Array.prototype.join = () => Symbol(); print(1)',
      /^TypeError: cannot convert symbol to string/,
    ],
    ['Error', 'Error = undefined; throw 1', /^Uncaught 1$/],
    [
      'all globals',
      'for (const k of Object.getOwnPropertyNames(globalThis)) if (k !== "globalThis") delete globalThis[k]; throw [1]',
      /^Uncaught \[ 1 \]$/,
    ],
    [
      'the names of errors',
      'Error.prototype.name = Symbol(); throw new Error("x")',
      /^The code raised an exception\.$/,
    ],
    [
      'frozen built-ins',
      'for (const k of Object.getOwnPropertyNames(globalThis)) { Object.freeze(globalThis[k]); Object.freeze(globalThis[k]?.prototype) } print(1)',
      /^1$/,
    ],
    [
      'a proxy that is no more',
      'const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy',
      /^The code raised an exception\.$/,
    ],
    [
      'a size that is not true',
      'const m = new Map(); Object.defineProperty(m, "size", { value: 1e9 }); m',
      /^Map\(1000000000\) /,
    ],
    [
      'a length that is not true',
      'print(new Proxy([], { get: (t, k) => (k === "length" ? 1e9 : t[k]) }))',
      /\.\.\. 999999900 more \]$/,
    ],
    [
      'an iterator that never ends',
      'Array.prototype[Symbol.iterator] = function* () { for (;;) yield 1 }; print(new Map([[1, 2]]))',
      /limit exceeded|TypeError/,
    ],
    [
      'a species',
      'class A extends Array { static get [Symbol.species]() { throw new Error("species") } } print(new A(1, 2).map((x) => x))',
      /^Error: species/,
    ],
    ['null', 'throw null', /^Uncaught null$/],
    ['a rejection nobody waits for', 'Promise.reject(new Error("left")); print(1)', /^1$/],
    [
      'an exception that looks as if nothing had run',
      'globalThis.n = (globalThis.n ?? 0) + 1; print(n); throw { name: "SyntaxError", x: "await" }',
      /^1\nUncaught/,
    ],
  ]);
});

it('what a rollout keeps has no jobs left that would run in its next program', async () => {
  const session = createJavascript({ ...limits, timeLimitMs: 200, lifetime: 'rollout' });
  const call = async (code: string) => (await callTool(session, code, { rolloutId: 'a' })).observation;
  expect(await call('(async () => { for (;;) await null })()')).toMatch(TIME);
  expect(await call('print(1)')).toBe('1');
  await closeTools([session]);
});
