import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFileSystem } from '../../src/python/sandbox/filesystem.mjs';
import { createOutput } from '../../src/python/sandbox/output.mjs';
import { decodeSnapshot, encodeSnapshot, stretchesOf } from '../../src/python/sandbox/snapshot.mjs';
import { FUEL, rewriteWasm, TICK_IMPORT } from '../../src/python/sandbox/wasm-binary.mjs';

describe('output', () => {
  it('keeps the beginning and the end of whatever is written in whatever pieces', () => {
    const limit = 16;
    const pieces = fc.array(fc.uint8Array({ min: 97, max: 122, maxLength: 50 }), { maxLength: 20 });
    fc.assert(
      fc.property(pieces, (written) => {
        const output = createOutput(limit);
        for (const piece of written) output.write(piece);
        const all = Buffer.concat(written).toString();
        const expected = all.length <= 2 * limit ? all : all.slice(0, limit) + all.slice(-limit);
        expect(output.text()).toBe(expected);
      }),
    );
  });
});

describe('snapshot', () => {
  it('is the same memory after encoding and decoding', () => {
    const memory = new Uint8Array(5 * 4096);
    memory.fill(7, 4096 + 10, 3 * 4096 - 5); // pages 1 and 2 are one stretch
    memory[4 * 4096] = 1; // page 4 another
    const stretches = stretchesOf(memory);
    // [4096, 3 · 4096) and [4 · 4096, 5 · 4096)
    expect(stretches.map(({ start, bytes }) => [start, bytes.length])).toEqual([
      [4096, 8192],
      [16384, 4096],
    ]);
    const decoded = decodeSnapshot(
      encodeSnapshot({ memoryBytes: memory.length, globals: [1, -2], libraries: [], run: 5, stretches }),
    );
    expect(decoded).toMatchObject({ memoryBytes: memory.length, globals: [1, -2], run: 5 });
    const restored = new Uint8Array(memory.length);
    for (const { start, bytes } of decoded.stretches) restored.set(bytes, start);
    expect(restored).toEqual(memory);
  });
});

describe('rewriteWasm', () => {
  /**
   * (module (import "env" TICK_IMPORT (func)) (memory 1 65536) (global i32 (i32.const 0))
   *   (func (export "count") (param i32) (loop local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0)))
   */
  const tick = [...Buffer.from(TICK_IMPORT)];
  const section = (id: number, body: number[]) => [id, body.length, ...body];
  const module = Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, [2, 0x60, 0, 0, 0x60, 1, 0x7f, 0]),
    ...section(2, [1, 3, ...Buffer.from('env'), tick.length, ...tick, 0, 0]),
    ...section(3, [1, 1]),
    ...section(5, [1, 1, 1, 0x80, 0x80, 0x04]),
    ...section(6, [1, 0x7f, 0, 0x41, 0, 0x0b]),
    ...section(7, [1, 5, ...Buffer.from('count'), 0, 1]),
    ...section(10, [1, 14, 0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x0b]),
  ]);

  const instantiate = (turns: number) => {
    let ticks = 0;
    let fuel: WebAssembly.Global | undefined;
    const imports = { env: { [TICK_IMPORT]: () => ((ticks += 1), (fuel!.value = turns)) } };
    const rewritten = new WebAssembly.Module(rewriteWasm(module, { memoryLimitBytes: 2 * 65_536 }));
    const { exports } = new WebAssembly.Instance(rewritten, imports);
    fuel = exports[FUEL] as WebAssembly.Global;
    fuel.value = turns;
    return { count: exports['count'] as (n: number) => void, ticks: () => ticks };
  };

  it('makes loops tick once in so many turns', () => {
    const { count, ticks } = instantiate(100);
    count(99);
    expect(ticks()).toBe(0);
    count(1); // the hundredth turn
    expect(ticks()).toBe(1);
    count(1000);
    expect(ticks()).toBe(11);
  });

  it('refuses what it does not know', () => {
    const unknown = module.slice();
    unknown[unknown.length - 4] = 0xfe; // an atomic instruction
    expect(() => rewriteWasm(unknown, { memoryLimitBytes: 2 * 65_536 })).toThrow(
      /unknown WebAssembly instruction 0xfe/,
    );
    expect(() => rewriteWasm(module, { memoryLimitBytes: 1000 })).toThrow(
      /memoryLimitBytes: got 1000, wanted at least/,
    );
  });
});

describe('files', () => {
  const open = () => createFileSystem({ fileLimitBytes: 1000, now: () => 0, onOutput: () => {} });
  const [CREATE, WRITE, HERE] = [0o100, 1, -100];
  const errno = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      return (error as { errno?: number }).errno;
    }
    return undefined;
  };

  it('counts what is written, over all files, and gives it back when a file is removed', () => {
    const files = open();
    const write = (name: string, size: number) => {
      const fd = files.open(HERE, name, CREATE | WRITE);
      const failed = errno(() => files.write(fd, new Uint8Array(size)));
      files.close(fd);
      return failed;
    };
    expect(write('/tmp/a', 600)).toBeUndefined();
    expect(write('b', 600)).toBe(51); // ENOSPC
    files.remove(HERE, '/tmp/a', false);
    expect(write('c', 600)).toBeUndefined();
  });

  it('has no way out of the root, and none into what is read-only', () => {
    const files = open();
    files.install('/lib/x', 1, () => Buffer.from('x'));
    expect(files.find(HERE, '../../../../lib/x')).toBe(files.find(HERE, '/lib/x'));
    expect(errno(() => files.open(HERE, '/lib/x', WRITE))).toBe(69); // EROFS
    expect(errno(() => files.rename(HERE, '/lib/x', HERE, '/tmp/x'))).toBe(69);
    expect(errno(() => files.remove(HERE, '/tmp', true))).toBe(69);
    expect(errno(() => files.open(HERE, '/y', CREATE | WRITE))).toBe(69);
  });

  it('does not move a directory into itself', () => {
    const files = open();
    files.makeDirectory(HERE, 'a');
    files.makeDirectory(HERE, 'a/b');
    expect(errno(() => files.rename(HERE, 'a', HERE, 'a/b/c'))).toBe(28); // EINVAL
  });

  it('is empty again after a reset', () => {
    const files = open();
    files.makeDirectory(HERE, '__proto__');
    files.changeDirectory(files.find(HERE, '__proto__'));
    files.reset();
    expect(files.currentDirectory()).toBe('/home/user');
    expect(errno(() => files.find(HERE, '__proto__'))).toBe(44); // ENOENT
    expect(errno(() => files.file(3))).toBe(8); // EBADF
  });
});
