/**
 * Calls per second, start-up, memory and tail latency of the Python sandbox, beside a `python3` process per call and a
 * FastAPI server that does plain `exec` (no isolation at all: what speed without safety is).
 *
 *   node --import tsx --conditions=tapo-source bench/python-calls.ts [seconds per row = 3]
 *
 * The FastAPI rows need python3 with venv and pip; they are left out where those are missing.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { callTool } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import { createPython } from '@tapo/tools/python';

const seconds = Number(process.argv[2] ?? 3);
const concurrency = Math.min(2, availableParallelism());
const directory = join(tmpdir(), 'tapo-bench-python');

/** `work` milliseconds of arithmetic, as native CPython does them; the sandbox gets the same program. */
const rounds = calibrate();
const programs = {
  trivial: 'print(1 + 1)',
  '1 ms': `x = 0\nfor i in range(${rounds}): x += i * i\nprint(x)`,
  '50 ms': `x = 0\nfor i in range(${rounds * 50}): x += i * i\nprint(x)`,
};

type Call = (code: string) => Promise<string>;

const rows: Record<string, Record<string, string>> = {};
await sandboxRows();
await table('python3 process', runProcess);
const server = await startFastApi();
if (server) {
  await table('FastAPI exec', async (code) => {
    const response = await fetch(`${server.url}/run`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code }),
    });
    return ((await response.json()) as { stdout: string }).stdout;
  });
  server.child.kill();
}
console.table(rows);

async function sandboxRows(): Promise<void> {
  const cacheDirectory = mkdtempSync(join(tmpdir(), 'tapo-bench-cache-'));
  const timeStart = async (what: string) => {
    const started = performance.now();
    const tool = createPython({ workers: 1, spares: 0, cacheDirectory });
    await call(tool, 'print(1)');
    console.log(`${what}: ${(performance.now() - started).toFixed(0)} ms to the first answer`);
    await tool.close?.();
  };
  await timeStart('start with an empty cache (the image is built)');
  await timeStart('start from the cache');

  const tool = createPython({ workers: concurrency, spares: 1, maxCallsPerRollout: Infinity, cacheDirectory });
  await call(tool, 'print(1)');
  await table('sandbox', async (code) => (await call(tool, code)).trim());
  console.log(
    `memory: ${workersMb()
      .map((mb) => `${mb} MB`)
      .join(', ')} resident per worker`,
  );
  await tool.close?.();

  for (const killing of [false, true]) await tailLatency(killing, cacheDirectory);
}

/** Trivial calls, one after the other, while a second loop keeps getting its worker killed. */
async function tailLatency(killing: boolean, cacheDirectory: string): Promise<void> {
  const tool = createPython({ workers: 2, spares: 1, maxCallsPerRollout: Infinity, cacheDirectory });
  await call(tool, 'print(1)');
  const end = performance.now() + seconds * 1000;
  let kills = 0;
  const killer = async () => {
    while (performance.now() < end) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 30);
      await callTool(tool as Tool, 'while True: pass', { signal: controller.signal, rolloutId: 'hostile' });
      kills += 1;
    }
  };
  const killed = killing ? killer() : undefined;
  const latencies: number[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    const started = performance.now();
    await call(tool, 'print(1)');
    latencies.push(performance.now() - started);
  }
  await killed;
  await tool.close?.();
  latencies.sort((a, b) => a - b);
  const at = (share: number) => `${latencies[Math.floor((latencies.length - 1) * share)]!.toFixed(1)} ms`;
  const name = killing ? `while a worker is killed again and again (${kills} times)` : 'undisturbed';
  console.log(`latency ${name}: p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}, ${latencies.length} calls`);
}

async function table(name: string, run: Call): Promise<void> {
  const row: Record<string, string> = (rows[name] = {});
  for (const [work, code] of Object.entries(programs)) {
    await run(code);
    let done = 0;
    const started = performance.now();
    const end = started + seconds * 1000;
    const loop = async () => {
      while (performance.now() < end) {
        await run(code);
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, loop));
    row[`${work} (calls/s)`] = ((done / (performance.now() - started)) * 1000).toFixed(1);
  }
}

async function call(tool: unknown, code: string): Promise<string> {
  const { status, observation } = await callTool(tool as Tool, code, { timeoutMs: 60_000 });
  if (status !== 'ok') throw new Error(observation);
  return observation;
}

function runProcess(code: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('python3', ['-c', code], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.once('error', reject).once('close', () => resolve(text));
  });
}

function calibrate(): number {
  const source =
    'import time\nn = 10**6\nt = time.perf_counter()\nx = 0\nfor i in range(n): x += i * i\nprint(int(n / (time.perf_counter() - t) / 1000))';
  return Number(
    execFileSync('python3', ['-c', `def f():\n    exec(${JSON.stringify(source)})\nf()`], { encoding: 'utf8' }),
  );
}

async function startFastApi(): Promise<{ url: string; child: ChildProcess } | undefined> {
  const python = join(directory, 'bin', 'python');
  try {
    if (!existsSync(python)) execFileSync('python3', ['-m', 'venv', directory], { stdio: 'ignore' });
    execFileSync(python, ['-m', 'pip', 'install', '-q', 'fastapi', 'uvicorn'], { stdio: 'ignore' });
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
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const child = spawn(python, ['-m', 'uvicorn', 'server:app', '--port', String(port), '--log-level', 'error'], {
    cwd: directory,
    stdio: 'ignore',
  });
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (
      await fetch(`${url}/docs`).then(
        (response) => response.ok,
        () => false,
      )
    )
      return { url, child };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  child.kill();
  console.log('the FastAPI server did not start: its rows are left out');
  return undefined;
}

function workersMb(): number[] {
  const list = execFileSync('ps', ['-eo', 'ppid=,rss=,args='], { encoding: 'utf8' });
  const workers = list
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((row) => row.some((part) => part.endsWith('worker.mjs')));
  return workers.filter(([parent]) => Number(parent) === process.pid).map(([, rss]) => Math.round(Number(rss) / 1024));
}
