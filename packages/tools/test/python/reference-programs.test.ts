import { afterAll, describe, expect, it, vi } from 'vitest';
import { createPython } from '@tapo/tools/python';
import { serveCode } from '@tapo/tools/serve-code';

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 120_000 });

/**
 * The kinds of programs the reference's code server is tested with, and what it must answer: `finished`, and a part of
 * `stdout`. Written anew; numpy and sympy programs are run with those packages by interop/python-wheels.ts, where they can be had.
 */
const programs: [name: string, code: string, finished: boolean, stdout: RegExp][] = [
  ['hello', 'print("Hello, world.")', true, /^Hello, world\.$/],
  ['triangle', 'for n in range(1, 5):\n    print("*" * n)', true, /^\*\n\*\*\n\*{3}\n\*{4}$/],
  ['endless loop', 'while True:\n    pass', false, /^\[TIMEOUT\]/],
  ['basic mathematics', 'import math\nradius = 10\nprint(f"{math.pi * radius ** 2:.2f}")', true, /^314\.16$/],
  ['Fibonacci', 'a, b = 0, 1\nfor _ in range(20):\n    a, b = b, a + b\nprint(a)', true, /^6765$/],
  ['forbidden import', 'import subprocess\nprint(subprocess)', true, /ImportError/],
  ['opening a file', 'with open("demo.txt", "w") as f:\n    pass', true, /name 'open' is not defined/],
  ['endless recursion', 'def again(x):\n    return again(x + 1)\nagain(0)', true, /[Rr]ecursion limit exceeded/],
  // without the packages both are told what is missing, as text
  [
    'matrix product without numpy',
    'import numpy as np\nprint(np.eye(2) @ np.ones(2))',
    true,
    /No module named 'numpy'/,
  ],
  ['integral without sympy', 'import sympy\nprint(sympy.integrate("x**2"))', true, /No module named 'sympy'/],
];

describe('serveCode', async () => {
  const tool = createPython({
    workers: 1,
    files: false,
    modules: ['math', 'numpy', 'cmath', 'statistics', 'random', 'decimal', 'fractions', 'sympy'],
  });
  const server = await serveCode({ tool, port: 0, maxBodyBytes: 10_000 });
  afterAll(() => server.close());
  const post = (body: string) => fetch(`${server.url}/run`, { method: 'POST', body });

  it.each(programs)('%s', async (_name, code, finished, stdout) => {
    const response = await post(JSON.stringify({ code }));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      finished,
      stdout: expect.stringMatching(stdout) as string,
      time: expect.stringMatching(/^\d+ ms$/) as string,
    });
  });

  it.each([
    ['another path', () => fetch(`${server.url}/`), 404],
    ['another method', () => fetch(`${server.url}/run`), 405],
    ['a body that is no JSON', () => post('print(1)'), 400],
    ['a body without code', () => post('{"source": "print(1)"}'), 400],
    ['a body too large', () => post(JSON.stringify({ code: 'x'.repeat(20_000) })), 413],
  ])('refuses %s', async (_name, send, status) => {
    const response = await send();
    expect(response.status).toBe(status);
    expect(await response.json()).toHaveProperty('error');
  });

  it('says what it got where it is no program', async () => {
    expect(await (await post('{"source":\n"print(1)"}')).json()).toEqual({
      error: 'got {"source": "print(1)"}, wanted JSON of the form {"code": "print(1)"}',
    });
  });

  it('an empty program has finished', async () => {
    expect(await (await post('{"code": ""}')).json()).toMatchObject({ finished: true });
  });

  it('refuses a port that is taken, and closes the tool', async () => {
    let closed = 0;
    const other = { name: 'code', description: '', execute: () => '', close: async () => void closed++ };
    await expect(serveCode({ tool: other, port: server.port })).rejects.toThrow('EADDRINUSE');
    expect(closed).toBe(1);
  });

  it('goes on after a client has gone', async () => {
    await expect(
      fetch(`${server.url}/run`, {
        method: 'POST',
        body: JSON.stringify({ code: 'while True: pass' }),
        signal: AbortSignal.timeout(50),
      }),
    ).rejects.toThrow(/abort|timeout/i);
    expect(await (await post('{"code": "print(5)"}')).json()).toMatchObject({ stdout: '5', finished: true });
  });
});
