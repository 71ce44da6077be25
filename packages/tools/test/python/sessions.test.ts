import { afterAll, describe, expect, it, vi } from 'vitest';
import { callTool, endRollout } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { createPython } from '@tapo/tools/python';
import { TAKE_MEMORY } from './sandbox.js';

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 120_000 });

/** Runs programs of one rollout after the other and gives what each showed. */
function open(options: Parameters<typeof createPython>[0] = {}) {
  const python = createPython({ workers: 2, spares: 1, timeLimitMs: 6000, lifetime: 'rollout', ...options }) as Tool;
  afterAll(() => python.close?.());
  const call = (source: string, rolloutId: string, signal?: AbortSignal) =>
    callTool(python, source, { rolloutId, signal, timeoutMs: 60_000 });
  const all = async (rolloutId: string, ...sources: string[]) => {
    const shown = [];
    for (const source of sources) shown.push((await call(source, rolloutId)).observation);
    return shown;
  };
  return { python, call, all };
}
const UNDONE = 'Variables and files are again as before this program.';

describe('a rollout that keeps its variables', () => {
  const { python, call, all } = open();

  it('goes on with variables, functions, classes, imports and patches', async () => {
    expect(
      await all(
        'a',
        'import math\nx = [1, 2]\ndef double(n): return 2 * n\nclass P:\n    def __init__(self): self.y = x\nmath.tau2 = 5',
        'x.append(double(x[1]))',
        'print(x, P().y is x, math.tau2)',
      ),
    ).toEqual([expect.stringMatching(/printed nothing/), expect.stringMatching(/printed nothing/), '[1, 2, 4] True 5']);
  });

  it('goes on with generators, closures, random numbers and a lot of data', async () => {
    expect(
      await all(
        'b',
        'import random\nrandom.seed(1)\ng = (n * n for n in range(10))\nprint(next(g), next(g), random.random())',
        'data = {n: str(n) for n in range(10_000)}\nprint(next(g), random.random())',
        'print(next(g), len(data), data[9_999])',
      ),
    ).toEqual(['0 1 0.13436424411240122', '4 0.8474337369372327', '9 10000 9999']);
  });

  it('goes on with files, open ones too, and the working directory', async () => {
    expect(
      await all(
        'c',
        'import os\nos.makedirs("d/e")\nos.chdir("d")\nf = open("e/x.txt", "w+")\nf.write("one")\nopen("/tmp/y", "wb").write(bytes(5))\ngone = open("/tmp/gone", "w+")\ngone.write("still")\nos.remove("/tmp/gone")',
        'f.write(" two")\nf.seek(0)\nprint(os.getcwd(), f.read(), os.listdir(), os.path.getsize("/tmp/y"))\ngone.seek(0)\nprint(gone.read(), os.listdir("/tmp"))',
        'f.close()\nprint(open("e/x.txt").read())',
      ),
    ).toEqual([expect.anything(), "/home/user/d one two ['e'] 5\nstill ['y']", 'one two']);
  });

  it('sees nothing of another rollout, and nobody sees it', async () => {
    const programs = Array.from({ length: 6 }, (_, n) =>
      all(`many-${n}`, `x = ${n}\nopen("f", "w").write("${n}")`, 'x += 10', 'print(x, open("f").read())'),
    );
    expect((await Promise.all(programs)).map(([, , last]) => last)).toEqual(
      Array.from({ length: 6 }, (_, n) => `${n + 10} ${n}`),
    );
    expect(await all('other', 'import os\nprint("x" in globals(), os.listdir())')).toEqual(['False []']);
  });

  it('begins anew when its rollout has ended', async () => {
    await call('x = 1', 'ended');
    await endRollout([python], 'ended');
    expect((await call('print("x" in globals())', 'ended')).observation).toBe('False');
  });

  it('keeps what a program did before it raised', async () => {
    const [error, next] = await all('raised', 'x = 1\nx = 2\n1 / 0', 'print(x)');
    expect(error).toMatch(/ZeroDivisionError: division by zero$/);
    expect(next).toBe('2');
  });

  it.each([
    ['time', 'x = 2\nwhile True: pass', `Time limit exceeded: the code ran longer than 6 s. ${UNDONE}`],
    [
      'the end of the interpreter',
      'x = 2\nimport os\nos._exit(3)',
      `The program ended the interpreter with exit status 3. ${UNDONE}`,
    ],
    [
      'broken memory',
      `x = 2\n${TAKE_MEMORY}memory[0:20 << 20] = bytes(20 << 20)`,
      `The interpreter failed and was restarted. Try simpler code. ${UNDONE}`,
    ],
  ])('goes back to before a program that was cut off by %s', async (name, source, observation) => {
    expect(await all(name, 'x = 1', source, 'print(x)')).toEqual([expect.anything(), observation, '1']);
  });

  it('goes back to before a call that was given up', async () => {
    await call('x = 1', 'given up');
    const controller = new AbortController();
    const pending = call('x = 2\nwhile True: pass', 'given up', controller.signal);
    setTimeout(() => controller.abort(), 200);
    await pending;
    expect((await call('print(x)', 'given up')).observation).toBe('1');
  });

  it('runs calls made at once in their order', async () => {
    const results = await Promise.all(
      ['x = [0]', 'x.append(1)', 'x.append(2)', 'print(x)'].map((source) => call(source, 'order')),
    );
    expect(results.at(-1)?.observation).toBe('[0, 1, 2]');
  });

  it('tells which program a line of a traceback is in', async () => {
    const [, error] = await all('trace', 'def f(n):\n    return 1 / n', 'print(1)\nf(0)');
    expect(error).toMatch(
      /^1\nTraceback[^]*\n {2}line 2, in <module>\n {4}f\(0\)[^]*\n {2}program 1, line 2, in f\n {4}return 1 \/ n/,
    );
  });

  it('prints only what this program prints', async () => {
    expect(await all('output', 'print("a")', '5', 'print("b")')).toEqual(['a', '5', 'b']);
  });
});

describe('limits of what is kept', () => {
  const { all } = open({
    workers: 1,
    keptLimitBytes: 4 * 2 ** 20,
    modules: ['math'],
    files: false,
    seed: 1,
    maxCallsPerRollout: 5,
  });

  it('a program that leaves more is undone, and told so', async () => {
    expect(await all('large', 'x = 1', 'x = 2\ny = "ab" * 3_000_000\nprint(len(y))', 'print(x)')).toEqual([
      expect.anything(),
      `6000000\n${UNDONE} What it left takes more than 4 MB.`,
      '1',
    ]);
  });

  it('what was freed does not count', async () => {
    const [first, second] = await all('freed', 'x = 1\nprint(len("ab" * 10_000_000))', 'print(x)');
    expect([first, second]).toEqual(['20000000', '1']);
  });

  it('modules and files stay forbidden, also after a first program that was cut off', async () => {
    expect(await all('forbidden', 'while True: pass', 'x = 1', 'import os', 'open("a")')).toEqual([
      expect.stringMatching(/Time limit exceeded/),
      expect.anything(),
      expect.stringMatching(/the module 'os' is not available/),
      expect.stringMatching(/name 'open' is not defined/),
    ]);
  });

  it('the number of calls holds', async () => {
    expect((await all('calls', '1', '2', '3', '4', '5', '6')).slice(-2)).toEqual([
      '5',
      'No more code calls: the limit of 5 is reached.',
    ]);
  });
});
