import { randomUUID } from 'node:crypto';
import type { Batch, LossSpec } from '@tapo/core';
import { createTinkerClient, type Session, type TinkerClient, type TinkerClientOptions } from './client.js';
import { readRemoteCheckpoint, remoteForwardBackward, remoteLogprobs, saveRemote, type LossRoute } from './learner.js';
import type { Model } from './model.js';
import { sampleRemotely, type RemotePolicyRequest, type RemotePolicyResult, type RemoteTokenizer } from './policy.js';
import type { Sampler } from './sampler.js';
import { untar } from './untar.js';

export interface TinkerEngineOptions extends TinkerClientOptions {
  baseModel: string;
  /** the base model's own tokenizer */
  tokenizer: RemoteTokenizer;
  /** LoRA rank; 0 = full fine-tuning where the server offers it */
  rank?: number;
  seed?: number;
  lossRoute?: LossRoute;
}

export interface TinkerOptimizerOptions {
  learningRate: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  weightDecay?: number;
  gradientClip?: number | null;
}

/** A `Policy` and a `Learner` (the seams of `@tapo/rollout` and `@tapo/trainer`) over one remote model. */
export interface TinkerEngine {
  client: TinkerClient;
  policy: {
    readonly tokenizer: RemoteTokenizer;
    sample(request: RemotePolicyRequest, options?: { signal?: AbortSignal }): Promise<RemotePolicyResult>;
    release(sequenceId: string): void;
  };
  learner: {
    logprobs(batch: Batch): Promise<{ logprobs: Float32Array }>;
    forwardBackward(batch: Batch, loss: LossSpec): Promise<{ loss: number; logprobs: Float32Array }>;
    /** `gradientNorm` is NaN where the server does not report it */
    optimizerStep(options: TinkerOptimizerOptions): Promise<{ gradientNorm: number }>;
    save(directory: string): Promise<void>;
    load(directory: string): Promise<void>;
    syncSampler(): Promise<void>;
    /** the trained adapter in PEFT's layout, for samplers elsewhere */
    saveAdapter(directory: string): Promise<void>;
    close(): Promise<void>;
  };
  close(): Promise<void>;
}

/** Opens a session and a model on the server. `policy` samples from the weights of the last `syncSampler`. */
export async function createTinkerEngine(options: TinkerEngineOptions): Promise<TinkerEngine> {
  const { baseModel, tokenizer, rank = 32, seed = 0, lossRoute = 'exact', baseUrl } = options;
  const client = createTinkerClient(options);
  const { dialect } = client;
  let session: Session;
  let model: Model;
  let sampler: Sampler;
  let passesSinceStep = 0;

  const open = async (checkpoint?: string): Promise<void> => {
    session = await client.createSession({ tags: ['tapo'] });
    model = await session.createModel({ baseModel, rank, seed });
    if (checkpoint !== undefined) await model.loadWeights(checkpoint);
    sampler = await model.sampler();
  };
  try {
    await open();
  } catch (error) {
    await client.close();
    throw error;
  }

  const close = async (): Promise<void> => {
    // The server may be gone already; it forgets a silent session by itself.
    await model.unload({ maxAttempts: 1, timeoutMs: 5000 }).catch(() => {});
    await client.close();
  };

  return {
    client,
    policy: {
      tokenizer,
      sample: (request, sampleOptions) => sampleRemotely(sampler, tokenizer, request, sampleOptions),
      release() {},
    },
    learner: {
      logprobs: async (batch) => ({ logprobs: await remoteLogprobs(model, batch, dialect) }),
      async forwardBackward(batch, loss) {
        if (dialect.reduction === 'datum-mean' && passesSinceStep > 0) {
          throw new Error(
            `${dialect.name} averages over all datums until optim_step: give the whole optimizer step to one forwardBackward.`,
          );
        }
        passesSinceStep++;
        return remoteForwardBackward(model, batch, loss, { dialect, route: lossRoute });
      },
      async optimizerStep({
        learningRate,
        beta1 = 0.9,
        beta2 = 0.999,
        epsilon = 1e-8,
        weightDecay = 0,
        gradientClip = 1,
      }) {
        passesSinceStep = 0;
        const metrics = await model.optimStep({
          learning_rate: learningRate,
          beta1,
          beta2,
          eps: epsilon,
          weight_decay: weightDecay,
          grad_clip_norm: gradientClip ?? 0,
        });
        const norm = Object.entries(metrics).find(([name]) => /grad_?norm/.test(name))?.[1];
        return { gradientNorm: norm ?? Number.NaN };
      },
      save: (directory) =>
        saveRemote(model, directory, `tapo-${randomUUID().slice(0, 13)}`, { baseModel, server: baseUrl }),
      async load(directory) {
        const { path, baseModel: savedBase } = await readRemoteCheckpoint(directory);
        if (savedBase !== baseModel) {
          throw new Error(
            `${directory} was trained from ${savedBase}, this run's base model is ${baseModel}: use the same one.`,
          );
        }
        // A checkpoint can be loaded only as a new model's first request.
        await model.unload().catch(() => {});
        await session.close();
        await open(path);
      },
      async syncSampler() {
        sampler = await model.sampler();
      },
      async saveAdapter(directory) {
        const name = `tapo-${randomUUID().slice(0, 13)}`;
        await model.saveWeightsForSampler(name);
        const files = await untar(await client.downloadArchive(model.id, name), directory);
        await client.deleteCheckpoint(model.id, `sampler_weights/${name}`).catch(() => {});
        if (!files.some((file) => file.endsWith('adapter_config.json'))) {
          throw new Error(
            `${name}: the server's archive holds no adapter_config.json (it holds ${files.join(', ')}): train with rank > 0.`,
          );
        }
      },
      close,
    },
    close,
  };
}
