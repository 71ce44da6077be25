/** Entry point of the worker thread: answers messages with an engine. */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';

import { createEngine, type Engine } from './engine.js';
import { READY_ID, type EngineMethod, type EngineReply, type EngineRequest, type EngineSetup } from './protocol.js';

const port = parentPort as MessagePort;
const running = new Map<number, AbortController>();

/** Receives requests from the start; they wait for the engine. */
const engine = createEngine(workerData as EngineSetup);

port.on('message', (request: EngineRequest) => {
  if (request.method === 'abort') running.get(request.id)?.abort();
  else void answer(request);
});
engine.then(
  () => reply({ id: READY_ID, value: undefined }),
  (error: Error) => reply({ id: READY_ID, error: plain(error) }),
);

async function answer(request: Exclude<EngineRequest, { method: 'abort' }>): Promise<void> {
  const { id, method } = request;
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const target = await engine;
    const value =
      method === 'sample' ? await target.sample(...request.parameters, controller.signal) : await call(target, request);
    // Results that nobody else holds change hands instead of being copied.
    reply({ id, value }, fresh.has(method) ? buffersOf(value) : []);
  } catch (error) {
    reply({ id, error: plain(error as Error) });
  } finally {
    running.delete(id);
  }
}

function call(
  target: Engine,
  { method, parameters }: Exclude<EngineRequest, { method: 'abort' | 'sample' }>,
): Promise<unknown> {
  // Each pair of method and parameters belongs together (`EngineRequest`), which TypeScript cannot follow through an index.
  return (target[method] as (...all: unknown[]) => Promise<unknown>)(...parameters);
}

const fresh = new Set<EngineMethod>([
  'logprobs',
  'referenceLogprobs',
  'forwardBackward',
  'takeGradients',
  'trainedWeights',
]);

function buffersOf(value: unknown): ArrayBuffer[] {
  if (value instanceof Float32Array) return [value.buffer as ArrayBuffer];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(buffersOf) : [];
}

function reply(message: EngineReply, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function plain({ name, message, stack }: Error) {
  return { name, message, ...(stack ? { stack } : {}) };
}
