/**
 * Several workers that act as one engine: each has the whole model and one thread. For small models that is faster than threads
 * inside each matrix operation, which spend their time waiting for one another.
 *
 * - Sampling: a sequence lives on one worker. Which one does not matter, since what it samples depends on nothing but itself.
 * - Learning: rows are dealt out; each worker accumulates its own gradient. For an optimizer step the first worker receives the
 *   others' gradients in order, steps, and sends the weights back. Same number of workers, same bits.
 */
import type { Batch, LossSpec } from '@tapo/core';

import type { AdamWOptions } from './adamw.js';
import type { EngineSetup, EngineStatistics } from './protocol.js';
import { dealRows, mergeRows, selectBatchRows } from './row-split.js';
import type { ForwardResult, SampleRequest, SampleResult } from './types.js';
import { startWorker, type WorkerClient } from './worker-client.js';

export async function startWorkerGroup(setup: EngineSetup, count: number, transfer: ArrayBuffer[] = []) {
  const workers = await startAll(setup, count, transfer);
  const first = workers[0] as WorkerClient;
  const others = workers.slice(1);
  const everywhere = async <T>(action: (worker: WorkerClient) => Promise<T>): Promise<T[]> =>
    Promise.all(workers.map(action));
  const router = createRouter(workers);

  /** Deals the rows out, runs each part, and puts the per-token results back into the batch's layout. */
  async function split<R extends ForwardResult & { loss?: number }>(
    batch: Batch,
    run: (worker: WorkerClient, part: Batch) => Promise<R>,
  ): Promise<ForwardResult & { loss: number }> {
    const parts = dealRows(batch.lengths, workers.length).filter((rows) => rows.length > 0);
    const results = await Promise.all(
      parts.map((rows, i) => run(workers[i] as WorkerClient, selectBatchRows(batch, rows))),
    );
    return {
      loss: results.reduce((total, { loss = 0 }) => total + loss, 0),
      logprobs: mergeRows(
        batch,
        parts,
        results.map(({ logprobs }) => logprobs),
      ),
      entropies: mergeRows(
        batch,
        parts,
        results.map(({ entropies }) => entropies),
      ),
    };
  }

  /** Sums all gradients up on the first worker. */
  async function gatherGradients(): Promise<void> {
    const gradients = await Promise.all(others.map((worker) => worker.call('takeGradients', [])));
    for (const gradient of gradients) await first.call('addGradients', [gradient]);
  }

  async function spreadWeights(): Promise<void> {
    if (others.length === 0) return;
    const weights = await first.call('trainedWeights', []);
    await Promise.all(others.map((worker) => worker.call('setTrainedWeights', [weights])));
  }

  // Learning is done in the order it was asked for, on all workers alike.
  let learning: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(action: () => Promise<T>): Promise<T> => {
    const result = learning.then(action);
    learning = result.catch(() => undefined);
    return result;
  };

  const forwardOnly = (method: 'logprobs' | 'referenceLogprobs', batch: Batch): Promise<ForwardResult> =>
    inOrder(async () => {
      if (others.length === 0) return first.call(method, [batch]);
      const { logprobs, entropies } = await split(batch, (worker, part) => worker.call(method, [part]));
      return { logprobs, entropies };
    });

  return {
    count,
    sample: (request: SampleRequest, signal?: AbortSignal): Promise<SampleResult> =>
      router.workerFor(request).call('sample', [request], { signal }),
    release: (sequenceId: string): Promise<void> => router.release(sequenceId),
    setPieces: (pieces: readonly string[]) => everywhere((worker) => worker.call('setPieces', [pieces])),
    logprobs: (batch: Batch) => forwardOnly('logprobs', batch),
    referenceLogprobs: (batch: Batch) => forwardOnly('referenceLogprobs', batch),
    forwardBackward: (batch: Batch, loss: LossSpec): Promise<ForwardResult & { loss: number }> =>
      inOrder(async () => {
        if (others.length === 0) return first.call('forwardBackward', [batch, loss]);
        return split(batch, (worker, part) => worker.call('forwardBackward', [part, loss]));
      }),
    optimizerStep: (options: AdamWOptions): Promise<{ gradientNorm: number }> =>
      inOrder(async () => {
        await gatherGradients();
        const result = await first.call('optimizerStep', [options]);
        await spreadWeights();
        return result;
      }),
    save: (directory: string): Promise<void> => inOrder(() => first.call('save', [directory])),
    load: (directory: string): Promise<void> =>
      inOrder(async () => {
        await first.call('load', [directory]);
        await Promise.all(others.map((worker) => worker.call('takeGradients', [])));
        await spreadWeights();
      }),
    syncSampler: (): Promise<void> =>
      inOrder(async () => void (await everywhere((worker) => worker.call('syncSampler', [])))),
    parameters: () => inOrder(() => first.call('parameters', [])),
    gradients: () =>
      inOrder(async () => {
        await gatherGradients();
        return first.call('gradients', []);
      }),
    async statistics(): Promise<EngineStatistics> {
      const all = await everywhere((worker) => worker.call('statistics', []));
      const sum = (name: 'compilations' | 'cacheBytes' | 'evictions') =>
        all.reduce((total, each) => total + each[name], 0);
      const step = (all[0] as EngineStatistics).step;
      return { compilations: sum('compilations'), cacheBytes: sum('cacheBytes'), evictions: sum('evictions'), step };
    },
    close: async (): Promise<void> => void (await everywhere((worker) => worker.close())),
  };
}

async function startAll(setup: EngineSetup, count: number, transfer: ArrayBuffer[]): Promise<WorkerClient[]> {
  const maxCacheBytes = Math.floor(setup.maxCacheBytes / count);
  const maxArenaBytes = Math.floor(setup.maxArenaBytes / count);
  const starts = await Promise.allSettled(
    Array.from({ length: count }, (_, i) =>
      // what is handed over is gone: the last one gets it, the others copies
      startWorker({ ...setup, maxCacheBytes, maxArenaBytes }, i === count - 1 ? transfer : []),
    ),
  );
  const failed = starts.find((start) => start.status === 'rejected');
  const workers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  if (!failed) return workers;
  await Promise.all(workers.map((worker) => worker.close()));
  throw failed.reason;
}

/** Which worker a sequence lives on: the one where others began with the same prompt, which it then shares, else the one with fewest. */
function createRouter(workers: readonly WorkerClient[]) {
  const homes = new Map<string, { worker: number; prompt: string }>();
  const prompts = new Map<string, { worker: number; sequences: number }>();
  const load = workers.map(() => 0);

  return {
    workerFor({ sequenceId, tokens }: SampleRequest): WorkerClient {
      let home = homes.get(sequenceId);
      if (!home) {
        const prompt = tokens.join();
        const shared = prompts.get(prompt) ?? { worker: load.indexOf(Math.min(...load)), sequences: 0 };
        shared.sequences++;
        prompts.set(prompt, shared);
        load[shared.worker] = (load[shared.worker] as number) + 1;
        homes.set(sequenceId, (home = { worker: shared.worker, prompt }));
      }
      return workers[home.worker] as WorkerClient;
    },
    async release(sequenceId: string): Promise<void> {
      const home = homes.get(sequenceId);
      if (!home) return;
      homes.delete(sequenceId);
      load[home.worker] = (load[home.worker] as number) - 1;
      const shared = prompts.get(home.prompt);
      if (shared && --shared.sequences === 0) prompts.delete(home.prompt);
      await (workers[home.worker] as WorkerClient).call('release', [sequenceId]);
    },
  };
}
