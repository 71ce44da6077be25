import type { Connection } from './connection.js';
import { TinkerError } from './errors.js';
import type { AdamParams, Datum, ForwardBackwardOutput, LossFn } from './protocol.js';
import { createSampler, type Sampler } from './sampler.js';
import type { CallOptions } from './transport.js';

/** Limits of one request; larger batches are sent in parts. */
const MAX_DATUMS = 1024;
const MAX_BYTES = 5_000_000;

export interface CreateModelOptions extends CallOptions {
  baseModel: string;
  /** LoRA rank; 0 = full fine-tuning where the server offers it */
  rank?: number;
  seed?: number;
}

export interface LossOptions extends CallOptions {
  lossFn: LossFn;
  /** ppo and cispo: `clip_low_threshold`, `clip_high_threshold`: ratios (0.8, 1.28), not offsets; always send both */
  lossFnConfig?: Record<string, number>;
}

/** A model being trained. Requests are taken by the server in the order of the calls; results may be awaited later. */
export interface Model {
  readonly id: string;
  forward(data: readonly Datum[], options: LossOptions): Promise<ForwardBackwardOutput>;
  forwardBackward(data: readonly Datum[], options: LossOptions): Promise<ForwardBackwardOutput>;
  optimStep(params: AdamParams, options?: CallOptions): Promise<Record<string, number>>;
  /** `tinker://…` path of a full checkpoint: weights and optimizer */
  saveWeights(name: string, options?: CallOptions): Promise<string>;
  /** only as a new model's first request */
  loadWeights(path: string, options?: CallOptions): Promise<void>;
  /** the newest weights, ready to sample; unnamed: they live as long as the session */
  sampler(options?: CallOptions): Promise<Sampler>;
  /** named weights for samplers elsewhere; returns their `tinker://…` path */
  saveWeightsForSampler(name: string, options?: CallOptions): Promise<string>;
  unload(options?: CallOptions): Promise<void>;
}

interface Parent {
  sessionId: string;
  sequence: number;
  nextSampler: () => number;
}

export async function createModel(connection: Connection, parent: Parent, options: CreateModelOptions): Promise<Model> {
  const { baseModel, rank = 32, seed = 0, ...callOptions } = options;
  const created = await connection.execute<{ model_id?: string }>(
    '/create_model',
    {
      type: 'create_model',
      session_id: parent.sessionId,
      model_seq_id: parent.sequence,
      base_model: baseModel,
      lora_config: { rank, seed },
    },
    callOptions,
  );
  const modelId = created.model_id;
  if (typeof modelId !== 'string')
    throw new TinkerError(`/create_model: wanted {model_id}, got ${JSON.stringify(created)}.`);

  let sequence = 0;
  let previous: Promise<unknown> = Promise.resolve();

  /** One request after the other reaches the server, in call order, without waiting for results in between. */
  function ordered<T>(path: string, body: object, requestOptions?: CallOptions): Promise<T> {
    const request = { ...body, model_id: modelId, seq_id: ++sequence };
    const started = previous.catch(() => {}).then(() => connection.start<T>(path, request, requestOptions));
    previous = started.then(({ submitted }) => submitted);
    previous.catch(() => {});
    return started.then(({ result }) => result);
  }

  async function passes(
    kind: 'forward' | 'forward_backward',
    data: readonly Datum[],
    { lossFn, lossFnConfig, ...rest }: LossOptions,
  ) {
    const parts = split(data).map((part) => {
      const input = { data: part, loss_fn: lossFn, loss_fn_config: lossFnConfig ?? null };
      return ordered<ForwardBackwardOutput>(`/${kind}`, { [`${kind}_input`]: input }, rest);
    });
    const outputs = await Promise.all(parts);
    const merged: ForwardBackwardOutput = {
      loss_fn_outputs: outputs.flatMap((output) => output.loss_fn_outputs),
      metrics: Object.assign({}, ...outputs.map((output) => output.metrics)) as Record<string, number>,
    };
    if (merged.loss_fn_outputs.length !== data.length) {
      throw new TinkerError(`/${kind}: sent ${data.length} datums, got ${merged.loss_fn_outputs.length} results.`);
    }
    return merged;
  }

  return {
    id: modelId,
    forward: (data, lossOptions) => passes('forward', data, lossOptions),
    forwardBackward: (data, lossOptions) => passes('forward_backward', data, lossOptions),
    async optimStep(params, requestOptions) {
      const body = { type: 'optim_step', adam_params: params };
      return (await ordered<{ metrics?: Record<string, number> }>('/optim_step', body, requestOptions)).metrics ?? {};
    },
    async saveWeights(name, requestOptions) {
      const { path } = await ordered<{ path: string }>(
        '/save_weights',
        { type: 'save_weights', path: name },
        requestOptions,
      );
      return path;
    },
    async loadWeights(path, requestOptions) {
      await ordered('/load_weights', { type: 'load_weights', path, optimizer: true }, requestOptions);
    },
    async sampler(requestOptions) {
      const body = { type: 'save_weights_for_sampler', sampling_session_seq_id: parent.nextSampler() };
      const saved = await ordered<{ sampling_session_id?: string }>('/save_weights_for_sampler', body, requestOptions);
      if (typeof saved.sampling_session_id !== 'string') {
        throw new TinkerError(`/save_weights_for_sampler: wanted {sampling_session_id}, got ${JSON.stringify(saved)}.`);
      }
      return createSampler(connection, saved.sampling_session_id);
    },
    async saveWeightsForSampler(name, requestOptions) {
      const body = { type: 'save_weights_for_sampler', path: name };
      return (await ordered<{ path: string }>('/save_weights_for_sampler', body, requestOptions)).path;
    },
    async unload(requestOptions) {
      await connection.execute('/unload_model', { type: 'unload_model', model_id: modelId }, requestOptions);
    },
  };
}

/** Parts of at most 1024 datums and 5 MB of JSON. A single datum is never cut. */
function split(data: readonly Datum[]): Datum[][] {
  const parts: Datum[][] = [[]];
  let bytes = 0;
  for (const datum of data) {
    const size = JSON.stringify(datum).length;
    let part = parts.at(-1) as Datum[];
    if (part.length > 0 && (part.length >= MAX_DATUMS || bytes + size > MAX_BYTES)) {
      part = [];
      parts.push(part);
      bytes = 0;
    }
    part.push(datum);
    bytes += size;
  }
  return parts;
}
