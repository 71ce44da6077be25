import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { openSandbox } from './sandbox.js';

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
  const compiled = join(directory, 'fast-1.0-cp314-cp314-pyemscripten_2026_0_wasm32.whl');
  it.each([
    ['another hash', { packages: [{ wheel, sha256: '0'.repeat(64) }] }, /has SHA-256 .*, wanted 0{64}/],
    [
      'a file that is not there',
      { packages: [{ wheel: '/none/x-1-py3-none-any.whl', sha256 }] },
      /is out of reach.*ENOENT/,
    ],
    ['compiled code', { packages: [{ wheel: compiled, sha256 }] }, /fast-1.0.* holds compiled code/],
    ['an unknown name', { packages: ['zeta-kit'] }, /got "zeta-kit", which is not in Pyodide's distribution/],
    ['no source', { packages: ['sympy'] }, /"sympy" is not part of npm. Give packageSource/],
    ['a source without it', { packages: ['sympy'], packageSource: directory }, /mpmath|sympy.*is out of reach/],
  ])('%s is told at the first call', async (_name, options, message) => {
    const run = openSandbox({ ...options, workers: 1, spares: 0 });
    expect((await run('1')).observation).toMatch(message);
  });
});

/** A zip archive without compression. */
function zip(files: Record<string, string>): Buffer {
  const parts: Buffer[] = [];
  const directoryParts: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const [path, body] = [Buffer.from(name), Buffer.from(text)];
    const common = Buffer.alloc(26); // version, flags, method, time, date, crc, sizes, name length, extra length
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(body), 10);
    common.writeUInt32LE(body.length, 14);
    common.writeUInt32LE(body.length, 18);
    common.writeUInt16LE(path.length, 22);
    const rest = Buffer.alloc(14); // comment length, disk, attributes, offset of the local header
    rest.writeUInt32LE(offset, 10);
    parts.push(Buffer.from('PK\x03\x04'), common, path, body);
    directoryParts.push(Buffer.from('PK\x01\x02\x14\x00'), common, rest, path);
    offset += 30 + path.length + body.length;
  }
  const central = Buffer.concat(directoryParts);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(directoryParts.length / 4, 8);
  end.writeUInt16LE(directoryParts.length / 4, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}
