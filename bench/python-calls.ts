/**
 * The Python sandbox beside a `python3` process per call and a FastAPI server that does plain `exec` (no isolation at all:
 * what speed without safety is): calls per second, start-up, memory, and latency while workers are killed.
 *
 *   node --import tsx --conditions=tapo-source bench/python-calls.ts [seconds per measurement = 1] [rounds = 3] [part = all | start | speed | kills]
 *
 * All take turns, round after round in one run, so that a busy machine disturbs them alike; shown is the median of the
 * rounds. The FastAPI rows need python3 with venv and pip; they are left out where those are missing.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { callTool } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { createPython } from '@tapo/tools/python';

import { median } from './alternate.js';
import type { PythonOptions, PythonTool } from '@tapo/tools/python';

const seconds = Number(process.argv[2] ?? 1);
const rounds = Number(process.argv[3] ?? 3);
const concurrency = Math.min(2, availableParallelism());
const directory = join(tmpdir(), 'tapo-bench-python');
const cacheDirectory = mkdtempSync(join(tmpdir(), 'tapo-bench-cache-'));

/** `work` milliseconds of arithmetic, as native CPython does them; the sandbox gets the same program. */
const turns = calibrate();
const programs = {
  trivial: 'print(1 + 1)',
  '1 ms': `x = 0\nfor i in range(${turns}): x += i * i\nprint(x)`,
  '50 ms': `x = 0\nfor i in range(${turns * 50}): x += i * i\nprint(x)`,
};

/** Gets as far as an import no program calls, upon which the worker ends itself: the quickest kill. */
const FATAL = 'import ctypes\nctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)()';

/** Something that runs Python. */
interface Runner {
  name: string;
  call: (code: string, caller: number) => Promise<string>;
  close: () => Promise<void>;
}

const part = process.argv[4] ?? 'all';
if (part === 'all' || part === 'start') await startUp();
if (part === 'all' || part === 'speed') {
  const runners = [sandbox('sandbox'), sandbox('sandbox, variables kept', 'rollout'), processes()];
  const server = await startFastApi();
  if (server) runners.push(server);
  await throughput(runners);
  await Promise.all(runners.map((runner) => runner.close()));
}
if (part === 'all' || part === 'kills') {
  for (const killer of ['nobody', 'one rollout', 'ever new rollouts'] as const) await tailLatency(killer);
  await replacement();
  await sustained();
}

/** Milliseconds until the first answer. */
async function startUp(): Promise<void> {
  const times: Record<string, number[]> = {};
  const time = async (what: string, open: () => Runner | Promise<Runner | undefined>) => {
    const started = performance.now();
    const runner = await open();
    await runner?.call(programs.trivial, 0);
    if (runner) (times[what] ??= []).push(performance.now() - started);
    await runner?.close();
  };
  const one = (cache: string) => () => sandbox('sandbox', 'call', { workers: 1, spares: 0, cacheDirectory: cache });
  for (let round = 0; round < rounds; round += 1) {
    await time('sandbox, empty cache', one(mkdtempSync(join(tmpdir(), 'tapo-bench-cache-'))));
    if (round === 0) await one(cacheDirectory)().call(programs.trivial, 0);
    await time('sandbox, image in the cache', one(cacheDirectory));
    await time('python3 process', processes);
    await time('FastAPI server', startFastApi);
  }
  console.log('start-up, to the first answer');
  console.table(mapValues(times, (list) => `${median(list).toFixed(0)} ms`));
}

async function throughput(subjects: readonly Runner[]): Promise<void> {
  const rates: Record<string, Record<string, number[]>> = {};
  for (let round = 0; round < rounds; round += 1) {
    for (const [work, code] of Object.entries(programs)) {
      for (const subject of subjects) {
        ((rates[subject.name] ??= {})[work] ??= []).push(await callsPerSecond(subject, code));
      }
    }
  }
  console.log(`calls per second, ${concurrency} at a time, median of ${rounds} rounds of ${seconds} s`);
  console.table(mapValues(rates, (row) => mapValues(row, (list) => median(list).toFixed(1))));
  console.log(`memory per sandbox worker: ${memoryOf('worker.mjs')}; FastAPI server: ${memoryOf('uvicorn')}`);
}

async function callsPerSecond({ call }: Runner, code: string): Promise<number> {
  await call(code, 0);
  let done = 0;
  const started = performance.now();
  const end = started + seconds * 1000;
  const loop = async (caller: number) => {
    for (; performance.now() < end; done += 1) await call(code, caller);
  };
  await Promise.all(Array.from({ length: concurrency }, (_, caller) => loop(caller)));
  return (done / (performance.now() - started)) * 1000;
}

/**
 * Trivial calls, one after the other, while a second loop keeps killing its worker, as fast as it gets another one: one
 * rollout that goes on and on, or a new one for each kill, of which the pool cannot know what it will do.
 */
async function tailLatency(killer: 'nobody' | 'one rollout' | 'ever new rollouts'): Promise<void> {
  const tool = python({ workers: 2 });
  await tool.ready();
  await answer(tool, programs.trivial, 'warm');
  const before = tool.stats.started;
  const started = performance.now();
  const end = started + seconds * rounds * 3000;
  const kill = async () => {
    for (let turn = 0; performance.now() < end; turn += 1) {
      await callTool(tool as Tool, FATAL, {
        rolloutId: killer === 'one rollout' ? 'hostile' : `hostile ${turn}`,
        timeoutMs: 600_000,
      });
    }
  };
  const killed = killer === 'nobody' ? undefined : kill();
  const latencies: number[] = [];
  while (performance.now() < end) latencies.push(await timed(() => answer(tool, programs.trivial, 'ordinary')));
  await killed;
  const replaced = tool.stats.started - before;
  const rate = replaced / ((performance.now() - started) / 1000);
  await tool.close?.();
  const replacements = killer === 'nobody' ? '' : ` (${replaced} workers replaced, ${rate.toFixed(1)} a second)`;
  console.log(`latency while ${killer} kills workers${replacements}: ${spread(latencies)}`);
}

/** The next call right after a kill, when a single program at a time is allowed: it needs the spare. Then until there is a spare again. */
async function replacement(): Promise<void> {
  const tool = python({ workers: 1 });
  await tool.ready();
  const latencies: number[] = [];
  const refills: number[] = [];
  for (let kill = 0; kill < 10 * rounds; kill += 1) {
    while (tool.stats.idle < 2) await delay(5);
    await callTool(tool as Tool, FATAL, { rolloutId: `hostile ${kill}` });
    const killed = performance.now();
    latencies.push(await timed(() => answer(tool, programs.trivial, 'ordinary')));
    while (tool.stats.idle < 2) await delay(5);
    refills.push(performance.now() - killed);
  }
  await tool.close?.();
  console.log(`the next call after a kill, one worker and one spare: ${spread(latencies)}`);
  console.log(`until the spare is there again: ${spread(refills)}`);
}

/** Workers killed by four rollouts at once, each as fast as it gets one: what the processor can start. */
async function sustained(): Promise<void> {
  const tool = python({ workers: concurrency });
  await tool.ready();
  const before = tool.stats.started;
  const started = performance.now();
  const end = started + seconds * rounds * 3000;
  const kill = async (killer: number) => {
    for (let turn = 0; performance.now() < end; turn += 1) {
      await callTool(tool as Tool, FATAL, { rolloutId: `hostile ${killer} ${turn}`, timeoutMs: 600_000 });
    }
  };
  await Promise.all([0, 1, 2, 3].map(kill));
  const rate = (tool.stats.started - before) / ((performance.now() - started) / 1000);
  await tool.close?.();
  console.log(`workers started while four kill them as fast as they come: ${rate.toFixed(1)} a second`);
}

function python(options: PythonOptions): PythonTool {
  return createPython({ maxCallsPerRollout: Infinity, cacheDirectory, ...options });
}

function sandbox(name: string, lifetime: 'call' | 'rollout' = 'call', options: PythonOptions = {}): Runner {
  const tool = python({ workers: concurrency, lifetime, ...options });
  return { name, call: (code, caller) => answer(tool, code, `rollout ${caller}`), close: async () => tool.close?.() };
}

async function answer(tool: PythonTool, code: string, rolloutId: string): Promise<string> {
  const { status, observation } = await callTool(tool as Tool, code, { timeoutMs: 600_000, rolloutId });
  if (status !== 'ok') throw new Error(observation);
  return observation;
}

function processes(): Runner {
  const call = (code: string) =>
    new Promise<string>((resolve, reject) => {
      const child = spawn('python3', ['-c', code], { stdio: ['ignore', 'pipe', 'ignore'] });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.once('error', reject).once('close', () => resolve(text));
    });
  return { name: 'python3 process', call, close: async () => {} };
}

async function startFastApi(): Promise<Runner | undefined> {
  const executable = installFastApi();
  if (!executable) return undefined;
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const url = `http://127.0.0.1:${port}/run`;
  const child: ChildProcess = spawn(
    executable,
    ['-m', 'uvicorn', 'server:app', '--port', String(port), '--log-level', 'error'],
    { cwd: directory, stdio: 'ignore' },
  );
  const call = async (code: string) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ code }) });
    return ((await response.json()) as { stdout: string }).stdout;
  };
  const close = async () => void child.kill();
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const up = await call(programs.trivial).then(
      () => true,
      () => false,
    );
    if (up) return { name: 'FastAPI exec', call, close };
    await delay(20);
  }
  await close();
  console.log('the FastAPI server did not start: its rows are left out');
  return undefined;
}

/** The Python of a virtual environment that has FastAPI. */
function installFastApi(): string | undefined {
  const executable = join(directory, 'bin', 'python');
  if (existsSync(join(directory, 'server.py'))) return executable;
  try {
    execFileSync('python3', ['-m', 'venv', directory], { stdio: 'ignore' });
    execFileSync(executable, ['-m', 'pip', 'install', '-q', 'fastapi', 'uvicorn'], { stdio: 'ignore' });
  } catch {
    console.log('FastAPI could not be installed: its rows are left out');
    return undefined;
  }
  writeFileSync(
    join(directory, 'server.py'),
    `
import contextlib, io
from fastapi import FastAPI
from pydantic import BaseModel
app = FastAPI()
class Request(BaseModel):
    code: str
@app.post("/run")
def run(request: Request):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(request.code, {})
    return {"stdout": out.getvalue(), "finished": True}
`,
  );
  return executable;
}

/** Turns of the loop that native CPython does in a millisecond. */
function calibrate(): number {
  const source =
    'import time\nn = 10**6\nt = time.perf_counter()\nx = 0\nfor i in range(n): x += i * i\nprint(int(n / (time.perf_counter() - t) / 1000))';
  const text = execFileSync('python3', ['-c', `exec(${JSON.stringify(source)}, {})`], { encoding: 'utf8' });
  return Number(text);
}

/** Resident memory of this process's children with `mark` in their command, and what of it they share with nobody else in proportion. */
function memoryOf(mark: string): string {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,rss=,args='], { encoding: 'utf8' }).split('\n');
  const children = rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, parent, , ...args]) => Number(parent) === process.pid && args.some((part) => part.endsWith(mark)));
  const megabytes = (kilobytes: number) => Math.round(kilobytes / 1024);
  const resident = children.map(([, , rss]) => megabytes(Number(rss)));
  const proportional = children.map(([pid]) => {
    try {
      const sums = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      return megabytes(Number(/^Pss:\s+(\d+)/m.exec(sums)?.[1]));
    } catch {
      return NaN;
    }
  });
  return `${resident.join(', ')} MB resident (proportional set size ${proportional.join(', ')} MB)`;
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await action();
  return performance.now() - started;
}

function spread(latencies: readonly number[]): string {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => `${sorted[Math.floor((sorted.length - 1) * share)]!.toFixed(1)} ms`;
  const late = sorted.filter((ms) => ms > 100).length;
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}, ${late} of ${sorted.length} over 100 ms`;
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
