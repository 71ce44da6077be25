import * as tf from '@tensorflow/tfjs-core';

import type { BackendName } from './backend.js';
import { compiledRunner } from './compiled-runner.js';
import { eagerRunner } from './eager-runner.js';
import type { Runner } from './runner.js';

/** Loads a backend and makes it tfjs's current one. */
export async function createRunner(
  backend: BackendName,
  threads: number,
  { maxArenaBytes = Infinity }: { maxArenaBytes?: number } = {},
): Promise<Runner> {
  if (backend === 'compiled') return compiledRunner(threads, maxArenaBytes);
  await loadTfjsBackend(backend);
  return eagerRunner(backend, threads);
}

/**
 * Registers tfjs's gradients, which tfjs-core alone does not have in Node; its union package also brings the cpu backend. It is half of
 * an engine's code in memory, so it waits for the first step that trains.
 */
export async function loadGradients(): Promise<void> {
  await import('@tensorflow/tfjs');
}

async function loadTfjsBackend(backend: Exclude<BackendName, 'compiled'>): Promise<void> {
  await loadGradients();
  if (backend === 'wasm') {
    await import('@tensorflow/tfjs-backend-wasm');
    (await import('./wasm-kernels.js')).registerWasmKernels();
  }
  if (backend === 'tfjs-node') await import('@tensorflow/tfjs-node');
  if (backend === 'tfjs-node-gpu') await import('@tensorflow/tfjs-node-gpu');
  const name = backend.startsWith('tfjs-node') ? 'tensorflow' : backend;
  if (!(await tf.setBackend(name))) throw new Error(`tfjs could not start its backend "${name}"`);
  await tf.ready();
}
