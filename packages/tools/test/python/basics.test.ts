import { afterAll, describe, expect, it, vi } from 'vitest';
import { callTool } from '@tapo/tools';
import { toolConformance } from '@tapo/tools/conformance';
import { createPython } from '@tapo/tools/python';

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 120_000 });

toolConformance('python', () => createPython({ workers: 2 }), {
  test: it,
  cases: [
    { input: 'print(6 * 7)', observation: /^42$/ },
    { input: 'import math\nprint(math.factorial(10))', observation: '3628800' },
    { input: '1 / 0', status: 'error', observation: 'ZeroDivisionError: division by zero' },
  ],
  slow: { input: 'import time\ntime.sleep(60)', timeoutMs: 300 },
});

describe('python', () => {
  const python = createPython({ workers: 1, spares: 0 });
  afterAll(() => python.close?.());
  const run = (source: string) => callTool(python as never, source, { rolloutId: crypto.randomUUID() });

  it('shows the value of a last expression when nothing was printed', async () => {
    expect(await run('x = 20\nx * 2 + 2')).toMatchObject({ status: 'ok', observation: '42' });
  });

  it('shows only what was printed when something was', async () => {
    expect(await run('print("a")\n5')).toMatchObject({ status: 'ok', observation: 'a' });
  });

  it('forgets variables, modules and files between calls', async () => {
    await run('import math\nmath.pi = 3\nx = 1\nopen("a.txt", "w").write("x")');
    const { observation } = await run('import math, os\nprint(math.pi, "x" in globals(), os.listdir())');
    expect(observation).toBe('3.141592653589793 False []');
  });
});
