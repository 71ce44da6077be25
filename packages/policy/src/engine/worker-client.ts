/** The caller's side of the worker: every method of the engine as a promise. */
import { Worker } from 'node:worker_threads';

import { READY_ID, type EngineMethod, type EngineMethods, type EngineReply, type EngineSetup } from './protocol.js';

type Resolved<M extends EngineMethod> = Awaited<ReturnType<EngineMethods[M]>>;

export interface WorkerClient {
  call<M extends EngineMethod>(
    method: M,
    parameters: Parameters<EngineMethods[M]>,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Resolved<M>>;
  /** ends the thread; whatever is pending is rejected */
  close(): Promise<void>;
}

interface Pending {
  resolve(value: never): void;
  reject(error: unknown): void;
}

/** Starts the worker, with the memory in `transfer` handed over to it, and waits until its engine is ready. */
export async function startWorker(setup: EngineSetup, transfer: ArrayBuffer[] = []): Promise<WorkerClient> {
  const worker = createWorker(setup, transfer);
  const pending = new Map<number, Pending>();
  let nextId = READY_ID + 1;
  let ended: Error | undefined;

  function end(reason: Error): void {
    ended ??= reason;
    for (const { reject } of pending.values()) reject(ended);
    pending.clear();
  }

  const ready = new Promise<void>((resolve, reject) => pending.set(READY_ID, { resolve, reject }));
  worker.on('message', (reply: EngineReply) => {
    const waiting = pending.get(reply.id);
    pending.delete(reply.id);
    if ('error' in reply) waiting?.reject(revive(reply.error));
    else waiting?.resolve(reply.value as never);
    if (pending.size === 0) worker.unref();
  });
  worker.on('error', (cause) => end(new Error(`the engine's worker thread failed: ${cause.message}`, { cause })));
  worker.on('exit', (code) => end(new Error(`the engine's worker thread ended (exit code ${code})`)));

  const close = async () => {
    end(new Error('the engine was closed'));
    await worker.terminate();
  };
  try {
    await ready;
  } catch (error) {
    await close();
    throw error;
  }

  return {
    close,
    call: (method, parameters, { signal } = {}) => {
      if (ended) return Promise.reject(ended);
      if (signal?.aborted) return Promise.reject(signal.reason);
      const id = nextId++;
      return new Promise((resolve, reject) => {
        const abort = () => {
          pending.delete(id);
          worker.postMessage({ id, method: 'abort' });
          reject(signal?.reason);
        };
        const done = () => signal?.removeEventListener('abort', abort);
        signal?.addEventListener('abort', abort, { once: true });
        pending.set(id, {
          resolve: (value) => (done(), resolve(value)),
          reject: (error) => (done(), reject(error)),
        });
        worker.ref();
        worker.postMessage({ id, method, parameters });
      });
    },
  };
}

/**
 * From `dist` the worker is an ordinary file. From source (tests, tsx) Node cannot load TypeScript into a worker, so a
 * line of JavaScript registers tsx there first, with the condition that resolves workspace packages to their source.
 */
function createWorker(workerData: EngineSetup, transferList: ArrayBuffer[]): Worker {
  const options = { workerData, transferList };
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./worker.js', import.meta.url), options);
  const entry = JSON.stringify(new URL('./worker.ts', import.meta.url).href);
  const script = `import('tsx/esm/api').then(({ register }) => { register(); return import(${entry}); })`;
  return new Worker(script, { eval: true, execArgv: ['--conditions=tapo-source'], ...options });
}

function revive({ name, message, stack }: { name: string; message: string; stack?: string }): Error {
  const error = new Error(message);
  error.name = name;
  if (stack) error.stack = stack;
  return error;
}
