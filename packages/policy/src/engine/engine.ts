/** The engine itself, on whichever thread it is created: weights, learner, sampler, checkpoints. */
import type { HostParameters } from '../parameters.js';
import type { EngineMethods, EngineSetup } from './protocol.js';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.js';
import { createDecoder } from './decoder.js';
import { createKvCache } from './kv-cache.js';
import { cacheGeometry } from './kv-geometry.js';
import { createLocalLearner } from './learner.js';
import { createParameterStore } from './parameter-store.js';
import { createSampler } from './sampler.js';
import type { Sequence } from './sequences.js';
import { stopMatchers } from './stop-strings.js';
import { createRunner } from './tfjs-backend.js';
import type { SampleRequest, SampleResult } from './types.js';

/** `EngineMethods`, where `sample` takes the signal that a message stands for on the other side. */
export type Engine = Omit<EngineMethods, 'sample'> & {
  sample(request: SampleRequest, signal?: AbortSignal): Promise<SampleResult>;
};

export async function createEngine(setup: EngineSetup): Promise<Engine> {
  const { config, backend, threads, maxCacheBytes, maxRows, eosTokenIds } = setup;
  const runner = await createRunner(backend, threads, setup);
  const store = createParameterStore(setup.parameters, setup.adapter);
  const learner = createLocalLearner(store, config, runner, setup);
  const decoder = createDecoder(store, config, runner, setup);
  const cache = createKvCache<Sequence>(cacheGeometry(config), { maxBytes: maxCacheBytes, rowsPerBlock: maxRows });
  let matchers = stopMatchers([]);
  const sampler = createSampler(decoder, cache, {
    vocabSize: config.vocabSize,
    maxPositions: config.maxPositionEmbeddings,
    eosTokenIds,
    stopMatcher: (stop) => matchers(stop),
  });

  // Learning is done in the order it was asked for; sampling steps may run between two micro-batches.
  let learning: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(action: () => T | Promise<T>): Promise<T> => {
    const result = learning.then(action);
    learning = result.catch(() => undefined);
    return result;
  };

  const weights = Object.values(store.trained).map(({ data }) => data);
  const gradients = Object.values(store.entries).map(({ gradient }) => gradient);

  return {
    sample: (request, signal) => sampler.sample(request, signal),
    release: async (sequenceId) => sampler.release(sequenceId),
    setPieces: async (pieces) => void (matchers = stopMatchers(pieces)),
    logprobs: (batch) => inOrder(() => learner.logprobs(batch)),
    referenceLogprobs: (batch) => inOrder(() => learner.referenceLogprobs(batch)),
    forwardBackward: (batch, loss) => inOrder(() => learner.forwardBackward(batch, loss)),
    optimizerStep: (options) =>
      inOrder(() => {
        sampler.dropCaches();
        return learner.optimizerStep(options);
      }),
    save: (directory) => inOrder(() => saveCheckpoint(directory, store, config)),
    load: (directory) =>
      inOrder(async () => {
        await loadCheckpoint(directory, store, config);
        sampler.dropCaches();
      }),
    syncSampler: () => inOrder(() => sampler.dropCaches()),
    parameters: () => inOrder(() => store.trained),
    gradients: () => inOrder(() => store.gradients as HostParameters),
    statistics: async () => ({
      compilations: learner.compiledCount + decoder.compiledCount,
      cacheBytes: cache.bytes,
      evictions: sampler.evictions,
      step: store.step,
    }),
    takeGradients: () =>
      inOrder(() => {
        const flat = flatten(gradients);
        for (const gradient of gradients) gradient.fill(0);
        return flat;
      }),
    addGradients: (flat) =>
      inOrder(() =>
        forEachPart(gradients, flat, (gradient, part) => {
          for (let i = 0; i < part.length; i++) gradient[i] = (gradient[i] as number) + (part[i] as number);
        }),
      ),
    trainedWeights: () => inOrder(() => flatten(weights)),
    setTrainedWeights: (flat) =>
      inOrder(() => {
        sampler.dropCaches();
        forEachPart(weights, flat, (weight, part) => weight.set(part));
      }),
  };
}

function flatten(arrays: readonly Float32Array[]): Float32Array {
  const flat = new Float32Array(arrays.reduce((total, { length }) => total + length, 0));
  forEachPart(arrays, flat, (array, part) => part.set(array));
  return flat;
}

/** Calls `action` with each array and its part of `flat`. */
function forEachPart(
  arrays: readonly Float32Array[],
  flat: Float32Array,
  action: (array: Float32Array, part: Float32Array) => void,
): void {
  let start = 0;
  for (const array of arrays) {
    action(array, flat.subarray(start, start + array.length));
    start += array.length;
  }
}
