import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { CodeRun } from '../code-observations.js';
import type { InterpreterOptions } from './interpreter.js';
import type { WorkerAnswer, WorkerRequest } from './worker.js';

/** A thread with an interpreter that can be ended whatever its code does. */
export interface InterpreterWorker {
  /** false once the thread has been ended: make a new one */
  readonly usable: boolean;
  /** one at a time; never rejects for what the code does */
  run(code: string, options: { timeLimitMs: number; signal: AbortSignal }): Promise<CodeRun>;
  close(): Promise<void>;
}

// The interpreter stops most code by itself, and then the thread lives on; what does not stop by then is ended from here.
const KILL_AFTER_MS = 200;
const START_LIMIT_MS = 30_000;

/** @throws if the thread does not come up: our fault, never the code's */
export async function startInterpreterWorker(options: InterpreterOptions): Promise<InterpreterWorker> {
  const worker = startWorker(options);
  let usable = true;
  const end = async () => {
    usable = false;
    await worker.terminate();
  };
  // `exit` tells what is needed; without a listener an error would end the process
  worker.on('error', () => {});
  worker.on('exit', () => (usable = false));
  const signal = AbortSignal.timeout(START_LIMIT_MS);
  await once(worker, 'message', { signal }).catch(async (error: unknown) => {
    await end();
    throw new Error(`the JavaScript interpreter did not start: ${String(error)}`, { cause: error });
  });
  // an idle interpreter does not keep the process alive
  worker.unref();

  return {
    get usable() {
      return usable;
    },
    close: end,
    async run(code, { timeLimitMs, signal: cancelled }) {
      cancelled.throwIfAborted();
      worker.ref();
      const settled = new AbortController();
      const listen = { signal: settled.signal };
      const nobody = new Promise<never>(() => {});
      const answer = once(worker, 'message', listen).then(([run]) => run as WorkerAnswer);
      const died = once(worker, 'exit', listen).then((): WorkerAnswer => undefined);
      const killed = new Promise<WorkerAnswer>((resolve) => {
        const timer = setTimeout(async () => {
          // this thread may have been busy itself: take an answer that is waiting
          await setImmediate();
          await setImmediate();
          resolve({ outcome: 'time-limit', stdout: '', damaged: true });
        }, timeLimitMs + KILL_AFTER_MS);
        settled.signal.addEventListener('abort', () => clearTimeout(timer));
      });
      const aborted = once(cancelled, 'abort', listen).then((): WorkerAnswer => undefined);
      worker.postMessage({ code, timeLimitMs } satisfies WorkerRequest);
      try {
        const all = [answer, died, killed, aborted].map((one) => one.catch(() => nobody));
        const run = await Promise.race(all);
        if (!run || run.damaged) void end();
        cancelled.throwIfAborted();
        const { damaged: _, ...rest } = run ?? { outcome: 'crashed', stdout: '', damaged: true };
        return rest;
      } finally {
        settled.abort();
        worker.unref();
      }
    },
  };
}

/** The worker's file is TypeScript inside the repository and JavaScript in the package. */
function startWorker(options: InterpreterOptions): Worker {
  const common = { workerData: options, env: {}, stdout: true, stderr: true };
  if (!import.meta.url.endsWith('.ts')) {
    return new Worker(new URL('./worker.js', import.meta.url), { ...common, execArgv: [] });
  }
  const file = new URL('./worker.ts', import.meta.url).href;
  const start = `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(file)}); });`;
  return new Worker(start, { ...common, eval: true, execArgv: ['--conditions=tapo-source'] });
}
