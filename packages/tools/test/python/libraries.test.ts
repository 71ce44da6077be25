import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { inLinkOrder } from '../../src/python/sandbox/libraries.mjs';
import { attackTests, openSandbox } from './sandbox.js';
import { libraryThatNeeds, tinyLibrary } from './tiny-library.js';
import { zip } from './zip.js';

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 120_000 });

const directory = mkdtempSync(join(tmpdir(), 'tapo-libraries-'));
const FILE = 'tiny.cpython-314-wasm32-emscripten.so';
function wheelOf(name: string, files: Parameters<typeof zip>[0]) {
  const wheel = join(directory, `${name}-1.0-cp314-cp314-pyemscripten_2026_0_wasm32.whl`);
  const archive = zip(files);
  writeFileSync(wheel, archive);
  return { wheel, sha256: createHash('sha256').update(archive).digest('hex') };
}
const packages = [wheelOf('tiny', { [FILE]: tinyLibrary() })];

describe('a compiled library', () => {
  const run = openSandbox({ packages, timeLimitMs: 3000 });

  it('is linked with Python: its functions, data and exceptions', async () => {
    expect((await run('import tiny\nprint(tiny.answer())')).observation).toBe('42');
    expect((await run('import tiny\ntiny.fail()')).observation).toMatch(/ValueError: it failed$/);
  });

  it('begins every call with its variables as they were', async () => {
    const program = 'import tiny\nprint(tiny.count(), tiny.count())';
    expect((await run(program)).observation).toBe('1 2');
    expect((await run(program)).observation).toBe('1 2');
  });

  it('is stopped at the time limit in a loop of its own', async () => {
    expect(await run('import tiny\ntiny.spin()')).toMatchObject({
      status: 'timeout',
      observation: 'Time limit exceeded: the code ran longer than 3 s.',
    });
    expect((await run('import tiny\nprint(tiny.answer())')).observation).toBe('42');
  });

  it('works after the memory was grown and the interpreter made anew', async () => {
    await run('x = bytes(100 << 20)');
    expect((await run('import tiny\nprint(tiny.count(), tiny.answer())')).observation).toBe('1 42');
  });

  attackTests(run, [
    [
      'a copy of it is not loaded',
      `import shutil, sys\nshutil.copy("/lib/python3.14/site-packages/${FILE}", "/tmp/tiny.so")\n` +
        'import importlib.util\nspec = importlib.util.spec_from_file_location("tiny", "/tmp/tiny.so")\n' +
        'importlib.util.module_from_spec(spec)',
      /ImportError: unknown dlopen\(\) error/,
    ],
    [
      'its functions cannot be called by ctypes',
      `import ctypes\nctypes.CDLL("/lib/python3.14/site-packages/${FILE}").PyInit_tiny()`,
      /interpreter failed/,
    ],
    [
      'nothing but its entry is found by name',
      `import _ctypes\n_ctypes.dlsym(_ctypes.dlopen("/lib/python3.14/site-packages/${FILE}", 0), "__wasm_apply_data_relocs")`,
      /symbol '__wasm_apply_data_relocs' not found/,
    ],
    [
      'its entry is found by name, and is a number',
      `import _ctypes\nprint(_ctypes.dlsym(_ctypes.dlopen("/lib/python3.14/site-packages/${FILE}", 0), "PyInit_tiny") > 0)`,
      /^True$/,
    ],
  ]);
});

describe('a library that cannot be linked', () => {
  it.each([
    [
      'needs another that is not there',
      { 'needy.so': libraryThatNeeds('libmissing.so') },
      /needy.so needs the shared library libmissing.so, which is in none of the packages/,
    ],
    ['is no WebAssembly', { 'elf.so': Buffer.from('\x7fELF') }, /elf.so is no shared library of WebAssembly/],
  ])('%s: the first call tells', async (name, files, message) => {
    const run = openSandbox({ packages: [wheelOf(name.replaceAll(' ', '_'), files)], workers: 1, spares: 0 });
    expect((await run('1')).observation).toMatch(message);
  });
});

describe('inLinkOrder', () => {
  const file = (path: string, ...needed: string[]) => ({ path, bytes: libraryThatNeeds(...needed) });

  it('puts each after those it needs, wherever they stand', () => {
    const files = [file('/p/a.so', 'libc.so'), file('/q/b.so'), file('/r/libc.so', 'b.so')];
    expect(inLinkOrder(files).map(({ path }) => path)).toEqual(['/q/b.so', '/r/libc.so', '/p/a.so']);
  });

  it('ends when two need each other', () => {
    const files = [file('/p/a.so', 'b.so'), file('/p/b.so', 'a.so')];
    expect(inLinkOrder(files).map(({ path }) => path)).toEqual(['/p/b.so', '/p/a.so']);
  });
});
