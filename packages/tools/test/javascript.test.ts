import { callTool, closeTools, endRollout } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import { createJavascript } from '@tapo/tools/javascript';
import { afterAll, describe, expect, it } from 'vitest';

toolConformance('javascript', () => createJavascript(), {
  test: it,
  cases: [
    { input: 'console.log(6 * 7)', observation: /^42$/ },
    { input: '2 ** 10', observation: /^1024$/ },
    { input: 'x +', status: 'error', observation: /^SyntaxError: .* \(line 1\)$/ },
    { input: 'const a = 1;\nb', status: 'error', observation: /^ReferenceError: 'b' is not defined \(line 2\)$/ },
    { input: '', status: 'refused', observation: 'empty' },
  ],
  slow: { input: 'while (true) {}', timeoutMs: 300 },
});

const MB = 2 ** 20;
const limits = { timeLimitMs: 200, memoryLimitBytes: 32 * MB };
const tool = createJavascript(limits);
const run = (code: string) => callTool(tool, code);
const shown = async (code: string) => (await run(code)).observation;
// where something else than the time limit is to end the code, on a busy machine too
const patient = createJavascript({ ...limits, timeLimitMs: 20_000 });
afterAll(() => closeTools([tool, patient]));

describe('output', () => {
  it.each([
    ['console.log("a", 1, true, null, undefined)', 'a 1 true null undefined'],
    ['print([1, "a", [2]], {b: {c: -0}, "d e": 10n})', "[ 1, 'a', [ 2 ] ] { b: { c: -0 }, 'd e': 10n }"],
    [
      'print(new Map([[1, {}]]), new Set(["x"]), new Uint8Array(2))',
      "Map(1) { 1 => {} } Set(1) { 'x' } Uint8Array(2) [ 0, 0 ]",
    ],
    ['class P { x = 1 }; print(new P(), P, () => 1, Symbol("s"))', 'P { x: 1 } [class P] [Function] Symbol(s)'],
    ['const o = {}; o.o = o; print(o, new Date(0), /a/g)', '{ o: [Circular] } 1970-01-01T00:00:00.000Z /a/g'],
    [
      'print(Array(3), Object.create(null), [new Error("e")])',
      '[ <empty>, <empty>, <empty> ] [null prototype] {} [ Error: e ]',
    ],
    ['print({ get a() { while (1); } })', '{ a: [Getter] }'],
    ['print(Array.from({ length: 102 }, () => 1))', `[ ${'1, '.repeat(100)}... 2 more ]`],
    ['console.error("e"); console.warn("w"); console.info("i")', 'e\nw\ni'],
  ])('%s', async (code, output) => expect(await shown(code)).toBe(output));

  it('shows the last value if nothing was printed, unless switched off', async () => {
    expect(await shown('const a = 20; a + 1.5')).toBe('21.5');
    expect(await shown('print(1); 2')).toBe('1');
    expect(await shown('const a = 1')).toBe('The code ran but printed nothing. Use console.log(x) to see a result.');
    const quiet = createJavascript({ showLastValue: false });
    expect((await callTool(quiet, '1 + 1')).observation).toContain('printed nothing');
    await quiet.close?.();
  });

  it('waits for promises, at the top level too', async () => {
    expect(await shown('(async () => 5)()')).toBe('5');
    expect(await shown('const a = await Promise.resolve(6); print(a)')).toBe('6');
    expect(await shown('new Promise(() => {})')).toContain('printed nothing');
    expect(await run('Promise.reject(new TypeError("t"))')).toMatchObject({
      status: 'error',
      observation: 'TypeError: t (line 1)',
    });
    expect(await shown('await null; throw 7')).toBe('Uncaught 7');
    expect(await shown('throw { stack: Promise.resolve(1) }')).toBe('Uncaught { stack: Promise }');
  });

  it('is cut in the middle', async () => {
    // 100 000 a and a line end were printed, 2000 are shown
    const text = await shown('print("a".repeat(100_000))');
    expect(text).toMatch(/^a+\n… \[98000 characters left out\] …\na+$/);
    expect(text).toHaveLength(2_000);
  });

  it('of an endless loop costs no memory', async () => {
    const before = process.memoryUsage().rss;
    const { status, observation } = await run('while (true) print("a".repeat(1e6))');
    expect(status).toBe('timeout');
    expect(observation).toContain('Time limit exceeded: the code ran longer than 0.2 s.');
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * MB);
  });

  it('before an exception is kept', async () => {
    expect(await run('print(1); null.x')).toMatchObject({
      status: 'error',
      observation: expect.stringMatching(/^1\nTypeError: cannot read property 'x' of null \(line 1\)$/),
    });
  });
});

describe('the time limit holds for', () => {
  it.each([
    'while (true) {}',
    'const f = async () => { await null; f() }; f()',
    'for (;;) { try { while (true) {} } catch {} finally { continue } }',
    '/(a+)+$/.test("a".repeat(40) + "b")',
    '[3, 2, 1].sort(() => { for (;;); })',
    'for (const x of (function* () { for (;;) yield 1 })());',
    '({ toString() { for (;;); } }) + ""',
    '({ get a() { for (;;); } }).a',
    'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)',
    'new Array(2 ** 31).join()',
    'Promise.reject({ get stack() { for (;;); } })',
  ])('%s', async (code) => {
    const { status, observation, durationMs } = await run(code);
    expect([status, observation]).toEqual(['timeout', 'Time limit exceeded: the code ran longer than 0.2 s.']);
    expect(durationMs).toBeLessThan(5_000);
    expect(await shown('1 + 1')).toBe('2');
  });
});

describe('the memory limit holds for', () => {
  it.each([
    'const a = []; for (;;) a.push({ i: a.length })',
    'let s = "x"; for (;;) s += s',
    'const a = []; for (;;) a.push(new ArrayBuffer(1e6))',
    'new Uint8Array(2 ** 30)',
    '"x".repeat(2 ** 29)',
  ])('%s', async (code) => {
    const before = process.memoryUsage().rss;
    const { status, observation } = await callTool(patient, code);
    expect(status).not.toBe('ok');
    expect(observation).toMatch(/Memory limit exceeded: the code needs more than 32 MB\.|RangeError|string too long/);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * MB);
    expect((await callTool(patient, '1 + 1')).observation).toBe('2');
  });
});

it.each([
  'const f = () => f() + 1; f()',
  'JSON.parse("[".repeat(1e6))',
  'let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a)',
  'eval("(".repeat(1e5))',
  'new RegExp("(".repeat(1e5))',
])('deep nesting fails cleanly: %s', async (code) => {
  const { status, observation } = await callTool(patient, code);
  expect(status).toBe('error');
  expect(observation).toMatch(/Recursion limit exceeded|SyntaxError/);
  expect((await callTool(patient, '1 + 1')).observation).toBe('2');
});

describe('the host is out of reach:', () => {
  it.each(['process', 'require', 'fetch', 'setTimeout', 'WebAssembly', 'Worker', 'Buffer', 'os', 'std', 'write'])(
    'no %s',
    async (name) => expect(await shown(`typeof ${name}`)).toBe("'undefined'"),
  );

  it('no modules', async () => {
    expect(await shown('await import("node:fs")')).toMatch(/could not load module|not/);
    expect(await shown('import fs from "fs"; await 1')).toMatch(/could not load module/);
  });

  it('functions of the host have the sandbox’s constructor', async () => {
    expect(await shown('print.constructor("return typeof process")()')).toBe("'undefined'");
  });
});

it('each call has a fresh realm', async () => {
  await run('globalThis.leak = 1; Array.prototype.leak = 1; Object.prototype.leak = 1; print = null');
  expect(await shown('print(typeof leak, [].leak, ({}).leak)')).toBe('undefined undefined undefined');
});

it('chance and time are the same every time', async () => {
  const code = 'print(Math.random(), Math.random() < 1, Date.now(), new Date().toISOString(), new Date(5).getTime())';
  const first = await shown(code);
  expect(first).toMatch(/^0\.\d+ true 1735689600000 2025-01-01T00:00:00\.000Z 5$/);
  expect(await shown(code)).toBe(first);
  const other = createJavascript({ seed: 1 });
  expect((await callTool(other, code)).observation).not.toBe(first);
  await other.close?.();
});

it('the calling thread goes on meanwhile', async () => {
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 10);
  await run('while (true) {}');
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(5);
});

it('a lifetime of a rollout keeps its variables, and only its own', async () => {
  const session = createJavascript({ ...limits, lifetime: 'rollout' });
  const call = async (rolloutId: string, code: string) => (await callTool(session, code, { rolloutId })).observation;
  await call('r1', 'let a = 1; var b = 2');
  expect(await call('r1', 'a + b')).toBe('3');
  expect(await call('r2', 'typeof a')).toBe("'undefined'");
  expect(await call('r1', 'while (true) {}')).toBe('Time limit exceeded: the code ran longer than 0.2 s.');
  expect(await call('r1', 'a + b')).toBe('3');
  expect(await call('r1', 'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)')).toMatch(
    /All variables are lost\.$/,
  );
  expect(await call('r1', 'typeof a')).toBe("'undefined'");
  await endRollout([session], 'r1');
  await closeTools([session]);
});
