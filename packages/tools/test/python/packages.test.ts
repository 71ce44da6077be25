import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { openSandbox } from './sandbox.js';
import { zip } from './zip.js';

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 120_000 });

const directory = mkdtempSync(join(tmpdir(), 'tapo-wheels-'));
const wheel = join(directory, 'zeta_kit-1.0-py3-none-any.whl');
const archive = zip({
  'zeta_kit/__init__.py': 'from .numbers import triangle\nprint("imported once")\n',
  'zeta_kit/numbers.py': 'import importlib.resources\ndef triangle(n): return n * (n + 1) // 2\n',
  'zeta_kit/table.txt': 'a table',
  'zeta_kit-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\nName: zeta-kit\nVersion: 1.0\n',
});
writeFileSync(wheel, archive);
const sha256 = createHash('sha256').update(archive).digest('hex');

describe('packages', () => {
  const run = openSandbox({ workers: 1, spares: 0, timeLimitMs: 12_000, packages: [{ wheel, sha256 }] });

  it('are imported ahead of time', async () => {
    const { observation } = await run(
      'import sys\nprint("zeta_kit" in sys.modules)\nimport zeta_kit\nprint(zeta_kit.triangle(4))',
    );
    expect(observation).toBe('True\n10');
  });

  it('have their data files and their metadata', async () => {
    const source =
      'import importlib.metadata, importlib.resources\nprint(importlib.metadata.version("zeta_kit"), ' +
      'importlib.resources.files("zeta_kit").joinpath("table.txt").read_text())';
    expect((await run(source)).observation).toBe('1.0 a table');
  });

  it('cannot be changed', async () => {
    const path = '/lib/python3.14/site-packages/zeta_kit/__init__.py';
    expect((await run(`open("${path}", "a").write("x")`)).observation).toMatch(/Read-only file system/);
    expect((await run(`import os\nos.remove("${path}")`)).observation).toMatch(/Read-only file system/);
  });
});

describe('packages that cannot be had', () => {
  const foreign = join(directory, 'fast-1.0-cp314-cp314-manylinux_2_28_x86_64.whl');
  it.each([
    ['another hash', { packages: [{ wheel, sha256: '0'.repeat(64) }] }, /has SHA-256 .*, wanted 0{64}/],
    [
      'a file that is not there',
      { packages: [{ wheel: '/none/x-1-py3-none-any.whl', sha256 }] },
      /is out of reach.*ENOENT/,
    ],
    [
      'a wheel for another machine',
      { packages: [{ wheel: foreign, sha256 }] },
      /fast-1.0-cp314.* is not built for this sandbox: wanted a pure wheel .* or one compiled for Pyodide's CPython 3.14/,
    ],
    ['an unknown name', { packages: ['zeta-kit'] }, /got "zeta-kit", which is not in Pyodide's distribution/],
    ['no source', { packages: ['sympy'] }, /"sympy" is not part of npm. Give packageSource/],
    ['a source without it', { packages: ['sympy'], packageSource: directory }, /mpmath|sympy.*is out of reach/],
  ])('%s is told at the first call', async (_name, options, message) => {
    const run = openSandbox({ ...options, workers: 1, spares: 0 });
    expect((await run('1')).observation).toMatch(message);
  });
});
