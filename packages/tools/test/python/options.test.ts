import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createPython } from '@tapo/tools/python';
import { openSandbox } from './sandbox.js';

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 120_000 });

describe('options', () => {
  const cacheDirectory = mkdtempSync(join(tmpdir(), 'tapo-cache-'));
  const strict = openSandbox({
    workers: 1,
    spares: 0,
    timeLimitMs: 12_000,
    modules: ['math', 'random', 'statistics'],
    files: false,
    showValue: false,
    maxOutputLength: 300,
    maxCallsPerRollout: 2,
    seed: 7,
    memoryLimitBytes: 64 * 2 ** 20,
    cacheDirectory,
  });

  it('modules: only those can be imported', async () => {
    expect((await strict('import math, statistics\nprint(statistics.mean([1, 3]))')).observation).toBe('2');
    expect((await strict('import os')).observation).toMatch(
      /ImportError: the module 'os' is not available; available are: math, random, statistics$/,
    );
    expect((await strict('from os.path import join')).observation).toMatch(/'os.path' is not available/);
  });

  it('files: false takes open away', async () => {
    expect((await strict('open("a")')).observation).toMatch(/NameError: name 'open' is not defined/);
  });

  it('showValue: false shows only what was printed', async () => {
    expect((await strict('5')).observation).toMatch(/printed nothing/);
  });

  it('maxOutputLength counts the marker', async () => {
    expect((await strict('print("x" * 1000)')).observation).toHaveLength(300);
  });

  it('memoryLimitBytes is the whole of it', async () => {
    expect((await strict('bytes(60 << 20)')).observation).toBe(
      'Memory limit exceeded: the code needs more than 64 MB.',
    );
  });

  it('maxCallsPerRollout refuses further calls of that rollout', async () => {
    await strict('print(1)', 'a');
    await strict('print(1)', 'a');
    expect(await strict('print(1)', 'a')).toMatchObject({
      status: 'refused',
      observation: 'No more code calls: the limit of 2 is reached.',
    });
    expect(await strict('print(1)', 'b')).toMatchObject({ status: 'ok' });
  });

  it('seed makes the n-th call of a rollout repeat', async () => {
    const program = 'import random\nprint(random.random())';
    // another pool with the same seed and the same image
    const again = openSandbox(
      {
        workers: 1,
        spares: 0,
        seed: 7,
        timeLimitMs: 12_000,
        memoryLimitBytes: 64 * 2 ** 20,
        cacheDirectory,
      },
      onTestFinished,
    );
    const first = [await strict(program, 'r'), await strict(program, 'r'), await strict(program, 's')];
    const second = [await again(program, 'r'), await again(program, 'r'), await again(program, 's')];
    expect(second.map((result) => result.observation)).toEqual(first.map((result) => result.observation));
    expect(new Set(first.map((result) => result.observation)).size).toBe(3);
  });

  it('a damaged image in the cache is built again', async () => {
    const [name] = readdirSync(cacheDirectory);
    const file = join(cacheDirectory, name!, 'snapshot');
    const bytes = readFileSync(file);
    writeFileSync(
      file,
      bytes.map((byte, index) => (index === 1000 ? byte ^ 1 : byte)),
    );
    const again = openSandbox(
      { workers: 1, spares: 0, memoryLimitBytes: 64 * 2 ** 20, cacheDirectory },
      onTestFinished,
    );
    expect((await again('print(1)')).observation).toBe('1');
    expect(readdirSync(cacheDirectory)).toEqual([name]);
  });

  it('processes that want the same image build it once', async () => {
    const together = { workers: 1, spares: 0, cacheDirectory: mkdtempSync(join(tmpdir(), 'tapo-cache-')) };
    const told: string[] = [];
    const pools = Array.from({ length: 3 }, () => createPython({ ...together, onProgress: (text) => told.push(text) }));
    await Promise.all(pools.map((python) => python.ready()));
    expect(told).toEqual(['Building the Python image: once for this version and these packages, some seconds.']);
    expect(readdirSync(together.cacheDirectory)).toHaveLength(1);
    await Promise.all(pools.map((python) => python.close?.()));
  });

  it('a lock left by a process that died is no obstacle', async () => {
    const left = mkdtempSync(join(tmpdir(), 'tapo-cache-'));
    const [name] = readdirSync(cacheDirectory);
    const ended = spawnSync(process.execPath, ['--version']).pid;
    writeFileSync(join(left, `${name}.lock`), String(ended));
    const python = createPython({ workers: 1, spares: 0, memoryLimitBytes: 64 * 2 ** 20, cacheDirectory: left });
    await python.ready();
    expect(readdirSync(left)).toEqual([name]);
    await python.close?.();
  });

  it('a cache that cannot be written gives way to a temporary directory', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'tapo-cache-')), 'a file');
    writeFileSync(file, '');
    const python = createPython({ workers: 1, spares: 0, memoryLimitBytes: 64 * 2 ** 20, cacheDirectory: file });
    await expect(python.ready()).resolves.toBeUndefined();
    await python.close?.();
  });

  it('ready() tells what is missing', async () => {
    const python = createPython({ workers: 1, spares: 0, packages: ['numpy'], cacheDirectory });
    await expect(python.ready()).rejects.toThrow(/"numpy" is not part of npm. Give packageSource.*numpy-2.4.6-cp314/s);
    await python.close?.();
  });

  it('a memory limit below what Python needs is an error that says so', async () => {
    const tiny = openSandbox({ memoryLimitBytes: 2 ** 20, cacheDirectory }, onTestFinished);
    expect((await tiny('print(1)')).observation).toMatch(/memoryLimitBytes: got 1048576, wanted at least 30 MB/);
  });
});
