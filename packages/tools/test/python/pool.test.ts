import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { callTool } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { createPython } from '@tapo/tools/python';
import { createPool } from '../../src/python/pool.js';
import type { PoolWorker } from '../../src/python/pool.js';

// the first call may have to build the image: seconds, and more on a busy machine
vi.setConfig({ testTimeout: 120_000 });

const call = (tool: unknown, source: string, signal?: AbortSignal) =>
  callTool(tool as Tool, source, { rolloutId: crypto.randomUUID(), signal, timeoutMs: 15_000 });

describe('a pool of processes', () => {
  it('answers many calls at once, each with its own answer, some of them hostile', async () => {
    const python = createPython({ workers: 2, spares: 1, timeLimitMs: 4000 });
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        call(python, index % 8 === 7 ? 'import os\nos.abort()' : `print(${index} * ${index})`),
      ),
    );
    const answers = results.map(({ observation }) => observation.replace(/^.*exit status 134.$/, 'aborted'));
    expect(answers).toEqual(answers.map((_, index) => (index % 8 === 7 ? 'aborted' : String(index * index))));
    await python.close?.();
  });

  it('kills the worker of a call that is given up, and goes on with another', async () => {
    const python = createPython({ workers: 1, spares: 1, timeLimitMs: 60_000 });
    await call(python, '1');
    const controller = new AbortController();
    const pending = call(python, 'while True: pass', controller.signal);
    setTimeout(() => controller.abort(), 50);
    expect((await pending).status).toBe('error');
    expect((await call(python, 'print(5)')).observation).toBe('5');
    await python.close?.();
  });

  it('refuses calls after close, which ends every process', async () => {
    const python = createPython({ workers: 2, spares: 0 });
    expect((await call(python, 'print(1)')).status).toBe('ok');
    await python.close?.();
    expect((await call(python, 'print(1)')).observation).toMatch(/closed/);
    expect(await workersOf(process.pid)).toEqual([]);
  });

  it('closes to the end after a worker has ended itself', async () => {
    // nothing else kept this process alive: it ended with status 13 before `close` had resolved
    const child = startProgram(`
      const python = createPython({ workers: 1, spares: 0 });
      await python.execute('import ctypes; ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)()', context).catch(() => {});
      await python.close();
      console.log('closed');`);
    const [output, [status]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    expect([status, output]).toEqual([0, 'closed\n']);
  });

  it.skipIf(process.platform === 'win32')('ends its processes when the parent is killed, busy ones too', async () => {
    const child = startProgram(`
      const python = createPython({ workers: 2, spares: 0, timeLimitMs: 1000 });
      await python.execute('1', context);
      python.execute('sum(range(10**12))', context).catch(() => {});
      setTimeout(() => console.log('busy'), 100);`);
    await once(child.stdout, 'data');
    const workers = await workersOf(child.pid!);
    expect(workers.length).toBeGreaterThan(0);
    child.kill('SIGKILL');
    await vi.waitFor(
      async () => expect((await processes()).filter(({ pid }) => workers.includes(pid))).toEqual([]),
      15_000,
    );
  });
});

describe('createPool', () => {
  /** A worker that dies on demand. */
  function fakeWorker() {
    let end!: () => void;
    const exited = new Promise<void>((resolve) => (end = resolve));
    const worker = {
      alive: true,
      exited,
      kill() {
        worker.alive = false;
        end();
      },
    };
    return worker satisfies PoolWorker;
  }
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it('starts as many again as have died: it never shrinks', async () => {
    const pool = createPool({ size: 2, spares: 1, start: async () => fakeWorker() });
    for (let round = 0; round < 20; round += 1) await pool.use(async (worker) => worker.kill());
    await settled();
    expect(pool.stats).toEqual({ started: 23, idle: 3, starting: 0, busy: 0 });
    await pool.close();
  });

  it('lends at most `size` workers at a time, in the order of asking', async () => {
    const pool = createPool({ size: 2, spares: 3, start: async () => fakeWorker() });
    const log: string[] = [];
    let most = 0;
    await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map((name) =>
        pool.use(async () => {
          log.push(name);
          most = Math.max(most, pool.stats.busy);
          await settled();
        }),
      ),
    );
    expect(log).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(most).toBe(2);
    await pool.close();
  });

  it('leaves one worker and one turn to others when a suspect asks', async () => {
    const pool = createPool({ size: 2, spares: 0, start: async () => fakeWorker() });
    await settled();
    const log: string[] = [];
    const busy = (name: string, suspect: boolean) =>
      pool.use(
        async () => {
          log.push(`${name} begins`);
          await settled();
          log.push(`${name} ends`);
        },
        { suspect },
      );
    // two workers: the suspects go one at a time, the ordinary call, which came last, goes beside the first
    await Promise.all([busy('suspect', true), busy('another suspect', true), busy('ordinary', false)]);
    expect(log).toEqual([
      'suspect begins',
      'ordinary begins',
      'suspect ends',
      'ordinary ends',
      'another suspect begins',
      'another suspect ends',
    ]);
    await pool.close();
  });

  it('lets a suspect have the last worker where no other can be started', async () => {
    let startable = 1;
    const start = async () => {
      if (startable === 0) throw new Error('no memory left');
      startable -= 1;
      return fakeWorker();
    };
    const pool = createPool({ size: 2, spares: 1, start });
    await settled();
    expect(await pool.use(async () => 'served', { suspect: true })).toBe('served');
    await pool.close();
  });

  it('starts half as many at once where no ordinary call waits for them', async () => {
    const starts: (() => void)[] = [];
    const start = () =>
      new Promise<PoolWorker>((resolve) => {
        starts.push(() => resolve(fakeWorker()));
      });
    const pool = createPool({ size: 3, spares: 5, parallelStarts: 4, start });
    // nobody is there to be slowed down: 4 starts
    expect(starts).toHaveLength(4);
    const next = async () => {
      starts.shift()!();
      await settled();
      return pool.stats.starting;
    };
    // of 8 wanted, one more is there each time: half of 4 at once, in the end 1 and 0
    const starting = [];
    for (let ready = 1; ready <= 8; ready += 1) starting.push(await next());
    expect(starting).toEqual([3, 2, 2, 2, 2, 2, 1, 0]);
    await pool.use(async (worker) => worker.kill());
    await settled();
    expect(pool.stats).toMatchObject({ idle: 7, starting: 1 });
    starts.shift()!();
    await pool.close();
  });

  it('tells why no worker could be started, and tries again at the next call', async () => {
    let broken = true;
    const start = async () => {
      if (broken) throw new Error('no memory left');
      return fakeWorker();
    };
    const pool = createPool({ size: 1, spares: 0, start });
    await expect(pool.use(async () => 1)).rejects.toThrow('no memory left');
    broken = false;
    expect(await pool.use(async () => 2)).toBe(2);
    await pool.close();
  });

  it('lets a waiting call give up without taking a worker', async () => {
    const pool = createPool({ size: 1, spares: 0, start: async () => fakeWorker() });
    const controller = new AbortController();
    const first = pool.use(() => new Promise<string>((resolve) => setTimeout(() => resolve('first'), 20)));
    const second = pool.use(async () => 'second', { signal: controller.signal });
    controller.abort(new Error('gave up'));
    await expect(second).rejects.toThrow('gave up');
    expect(await first).toBe('first');
    expect(await pool.use(async () => 'third')).toBe('third');
    await pool.close();
  });
});

/** A process of its own that has `createPython` and a `context` for calls. */
function startProgram(program: string) {
  const source = fileURLToPath(new URL('../../src/python/index.ts', import.meta.url));
  const start = `
    const { createPython } = await import(${JSON.stringify(source)});
    const context = { toolCallId: 'a', rolloutId: 'b', signal: new AbortController().signal };`;
  return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', start + program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** What runs now; what has ended but was not waited for does not count. */
async function processes(): Promise<{ pid: number; parent: number; command: string }[]> {
  const list = await new Promise<string>((resolve) => {
    execFile('ps', ['-eo', 'pid=,ppid=,stat=,args='], { maxBuffer: 2 ** 24 }, (_error, stdout) => resolve(stdout));
  });
  const rows = list.split('\n').map((line) => line.trim().split(/\s+/));
  return rows
    .filter(([, , state]) => state && !state.startsWith('Z'))
    .map(([pid, parent, , ...command]) => ({ pid: Number(pid), parent: Number(parent), command: command.join(' ') }));
}

async function workersOf(parent: number): Promise<number[]> {
  const workers = (await processes()).filter((one) => one.parent === parent && one.command.includes('worker.mjs'));
  return workers.map(({ pid }) => pid);
}
