/** The local engine: a model that samples and learns on this machine, off the caller's thread. */
import { availableParallelism } from 'node:os';

import type { LoraAdapter } from '../adapter-files.js';
import type { ModelConfig } from '../config.js';
import { initializeLora, type LoraConfig } from '../lora.js';
import { parameterCount, type HostParameters } from '../parameters.js';
import { checkVocabulary } from '../tokenizer.js';
import { chooseBackend, type BackendChoice, type BackendName } from './backend.js';
import { memoryBudget, stepsPerRun, workerCount, type MemoryBudget } from './memory-budget.js';
import type { EngineStatistics } from './protocol.js';
import type { EngineTokenizer, LocalLearner, LocalPolicy } from './types.js';
import { startWorkerGroup } from './worker-group.js';

export interface LocalEngineOptions<T extends EngineTokenizer = EngineTokenizer> {
  config: ModelConfig;
  /** initial weights, for example from `loadModelDirectory` or `initializeParameters`; they are copied unless `transferParameters` */
  parameters: HostParameters;
  /** hand the parameters' memory over, which leaves their arrays empty: a large model is then held once, not three times while it starts */
  transferParameters?: boolean;
  tokenizer: T;
  /** train low-rank adapters over frozen weights: their shape, or existing ones (`loadAdapterDirectory`) */
  lora?: LoraConfig | LoraAdapter;
  backend?: 'auto' | BackendName;
  /**
   * Cores to use. Small models get as many workers of one thread each, large ones one worker with as many threads.
   * Default: all, at most 8. Two runs are the same to the bit if this is.
   */
  threads?: number;
  /** padded positions of a micro-batch: bounds the memory of `logprobs` and `forwardBackward`. Default: from the model's size */
  microBatchTokens?: number;
  /** keep only each layer's input for the backward pass, and compute the rest again: about a third more time, a fraction of the memory */
  gradientCheckpointing?: boolean;
  /** for `referenceLogprobs`: keep what is trained as it is now. Under LoRA that is a copy of the adapter, not of the model */
  keepReference?: boolean;
  /**
   * Memory of the sampler's KV cache; sequences that wait for a tool are dropped first, and fed again when they go on.
   * Default: up to a quarter of the machine's
   */
  maxCacheBytes?: number;
  /**
   * Memory that compiled functions keep between runs, for speed; what they need beyond it goes back to the system after every run.
   * Default: a sixteenth of the machine's
   */
  maxArenaBytes?: number;
  /** rows decoded at once, at least 4. Default: 64, less for large models */
  maxRows?: number;
  /** compiled shapes kept per function (least recently used go) */
  compiledShapes?: number;
}

export interface LocalEngineInfo extends BackendChoice {
  /** cores in use */
  threads: number;
  /** worker threads that share the work; the model is in each */
  workers: number;
  /** scalars of the model */
  parameters: number;
  /** scalars that are trained */
  trainedParameters: number;
}

export interface LocalEngine<T extends EngineTokenizer = EngineTokenizer> {
  readonly tokenizer: T;
  /** fits `Policy` of `@tapo/rollout` */
  readonly policy: LocalPolicy<T>;
  /** fits `Learner` of `@tapo/trainer` */
  readonly learner: LocalLearner;
  readonly info: LocalEngineInfo;
  /** a copy of the trained weights: the model's, or the adapter's alone */
  parameters(): Promise<HostParameters>;
  /** a copy of the gradient accumulated since the last optimizer step */
  gradients(): Promise<HostParameters>;
  statistics(): Promise<EngineStatistics>;
  /** ends the worker; what is pending is rejected */
  close(): Promise<void>;
}

/**
 * Starts an engine. Policy and learner share one set of weights: an optimizer step is what the next sampled token comes from.
 * @throws when model and tokenizer disagree, or the backend asked for cannot be used
 */
export async function createLocalEngine<T extends EngineTokenizer>({
  config,
  parameters,
  transferParameters = false,
  tokenizer,
  lora,
  backend = 'auto',
  threads = Math.min(8, availableParallelism()),
  compiledShapes = 32,
  gradientCheckpointing = false,
  keepReference = false,
  ...budget
}: LocalEngineOptions<T>): Promise<LocalEngine<T>> {
  checkVocabulary(tokenizer, config);
  const { microBatchTokens, maxCacheBytes, maxArenaBytes, maxRows } = {
    ...memoryBudget(config, { gradientCheckpointing }),
    ...withoutUndefined(budget),
  } as MemoryBudget;
  if (maxRows < 4)
    throw new Error(`maxRows is ${maxRows}, wanted at least 4: a row's bits depend on its company below 2`);
  const adapter = lora && ('rank' in lora ? { config: lora, parameters: initializeLora(config, lora) } : lora);
  const choice = await chooseBackend({ backend });
  const workers = choice.backend === 'compiled' ? workerCount(config, threads) : 1;
  const setup = {
    config,
    parameters,
    ...(adapter && { adapter }),
    backend: choice.backend,
    threads: threads / workers,
    microBatchTokens,
    gradientCheckpointing,
    keepReference,
    maxCacheBytes,
    maxArenaBytes,
    maxRows,
    mostSteps: choice.backend === 'compiled' ? stepsPerRun(config) : 1,
    compiledShapes,
    eosTokenIds: tokenizer.eosTokenIds,
  };
  const trainedParameters = countOf(adapter?.parameters ?? parameters);
  const group = await startWorkerGroup(setup, workers, transferParameters ? buffersOf(parameters) : []);
  const { close } = group;
  let pieces: Promise<unknown> | undefined;
  /** The worker's copy of the token bytes; sent before the first request that has stop strings. */
  const sendPieces = () => {
    const bytes = (token: number) => Buffer.from(tokenizer.tokenBytes(token)).toString('latin1');
    return (pieces ??= group.setPieces(Array.from({ length: config.vocabSize }, (_, token) => bytes(token))));
  };

  return {
    tokenizer,
    info: {
      ...choice,
      threads,
      workers,
      parameters: parameterCount(config),
      trainedParameters,
    },
    policy: {
      tokenizer,
      async sample(request, { signal } = {}) {
        if (request.stop.length > 0) await sendPieces();
        return group.sample(request, signal);
      },
      release: group.release,
    },
    learner: {
      logprobs: group.logprobs,
      ...(keepReference && { referenceLogprobs: group.referenceLogprobs }),
      forwardBackward: group.forwardBackward,
      optimizerStep: group.optimizerStep,
      save: group.save,
      load: group.load,
      syncSampler: group.syncSampler,
      close,
    },
    parameters: group.parameters,
    gradients: group.gradients,
    statistics: group.statistics,
    close,
  };
}

function withoutUndefined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** Memory that tensors have for themselves. */
function buffersOf(parameters: HostParameters): ArrayBuffer[] {
  const whole = Object.values(parameters).filter(
    ({ data: { buffer, byteLength } }) => buffer.byteLength === byteLength,
  );
  return [...new Set(whole.map(({ data }) => data.buffer as ArrayBuffer))];
}

function countOf(parameters: HostParameters): number {
  return Object.values(parameters).reduce((total, { data }) => total + data.length, 0);
}
