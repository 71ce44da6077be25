import { randomUUID } from 'node:crypto';
import { hashSeed } from '@tapo/core';
import { TinkerError } from '../errors.js';
import { cut, type RemotePolicyRequest, type RemotePolicyResult, type RemoteTokenizer } from '../policy.js';
import { balanceReplicas, type BalanceOptions } from '../replicas.js';
import { createTransport, type Transport, type TransportOptions } from '../transport.js';
import { wires, type ApiName } from './wire.js';

export interface OpenAISamplerOptions extends Omit<TransportOptions, 'baseUrl'>, BalanceOptions {
  /** one or several servers with the same model: `http://host:8000`, with or without `/v1` */
  baseUrls: readonly string[];
  /** `vllm` and `sglang` return ids and log-probabilities; `openai`: any other server, for evaluation only */
  api?: ApiName;
  /** the served model; default: what the first server lists (SGLang's /generate needs none) */
  model?: string;
  tokenizer: RemoteTokenizer;
  /** adapters that stay loaded: the newest, and those that rollouts under way may still use */
  keepAdapters?: number;
}

/** A `Policy` (the seam of `@tapo/rollout`) over servers that speak OpenAI's completions. */
export interface OpenAISampler {
  policy: {
    readonly tokenizer: RemoteTokenizer;
    sample(request: RemotePolicyRequest, options?: { signal?: AbortSignal }): Promise<RemotePolicyResult>;
    release(sequenceId: string): void;
  };
  /** false: the server returns neither ids nor log-probabilities, so its samples must not be trained on */
  readonly exact: boolean;
  /** models the first server lists */
  models(): Promise<string[]>;
  /** loads a PEFT directory, as the servers see it, under a new name; requests from now on use it */
  loadAdapter(directory: string): Promise<string>;
  /** SGLang: replaces all weights by those of a model directory, as the servers see it */
  loadWeights(directory: string): Promise<void>;
  close(): Promise<void>;
}

/** Nothing is sent until the first call. @throws if no server is given */
export function createOpenAISampler(options: OpenAISamplerOptions): OpenAISampler {
  const { baseUrls, api = 'vllm', tokenizer, keepAdapters = 2, timeoutMs = 1_800_000, ...rest } = options;
  const wire = wires[api];
  if (wire === undefined) throw new Error(`Unknown api "${api}". Known: ${Object.keys(wires).join(', ')}.`);
  if (baseUrls.length === 0) throw new Error('baseUrls is empty: give the address of at least one server.');
  const servers = baseUrls.map((url) =>
    createTransport({
      // with several servers another one takes over at once
      maxAttempts: baseUrls.length > 1 ? 1 : 8,
      ...rest,
      timeoutMs,
      baseUrl: url.replace(/\/v1\/?$/, ''),
      apiPath: '',
      authorization: 'bearer',
    }),
  );
  const first = servers[0] as Transport;
  /** newest first */
  const adapters: { name: string; directory: string }[] = [];
  const run = randomUUID().slice(0, 8);
  let pushed = 0;
  let served = api === 'sglang' ? Promise.resolve('') : undefined;

  async function models(): Promise<string[]> {
    const { body } = await first.call('GET', '/v1/models', undefined, { timeoutMs: 30_000 });
    return ((body as { data?: { id?: string }[] } | null)?.data ?? []).flatMap(({ id }) => (id ? [id] : []));
  }

  async function baseModel(): Promise<string> {
    if (options.model !== undefined) return options.model;
    const [model] = await models();
    if (model === undefined) throw new Error(`${baseUrls[0]} lists no model at /v1/models: give its name.`);
    return model;
  }

  const loadPath = api === 'sglang' ? '/load_lora_adapter' : '/v1/load_lora_adapter';
  const unloadPath = api === 'sglang' ? '/unload_lora_adapter' : '/v1/unload_lora_adapter';
  const load = (server: Transport, { name, directory }: { name: string; directory: string }) =>
    server.call('POST', loadPath, { lora_name: name, lora_path: directory }, { timeoutMs: 300_000 });

  async function ask(server: Transport, request: RemotePolicyRequest, signal?: AbortSignal) {
    const adapter = adapters[0];
    const model = adapter?.name ?? (await (served ??= baseModel()));
    const body = wire.body(request, model, tokenizer);
    const callOptions = { timeoutMs, ...(signal && { signal }) };
    try {
      return (await server.call('POST', wire.path, body, callOptions)).body;
    } catch (error) {
      // A server that was started again has forgotten its adapters.
      if (!adapter || !(error instanceof TinkerError) || error.status !== 404) throw error;
      await load(server, adapter);
      return (await server.call('POST', wire.path, body, callOptions)).body;
    }
  }

  const replicas = servers.map((server, i) => ({
    name: baseUrls[i] as string,
    async sample(request: RemotePolicyRequest, { signal }: { signal?: AbortSignal } = {}): Promise<RemotePolicyResult> {
      // a seed for each position, so that the turns of a rollout do not repeat each other's draws
      const seeded = { ...request, seed: hashSeed(request.seed, request.tokens.length) % 2 ** 31 };
      const reply = await ask(server, seeded, signal);
      let completion;
      try {
        completion = wire.read(reply, request, tokenizer);
      } catch (cause) {
        throw new Error(`POST ${wire.path} of ${baseUrls[i]}: ${(cause as Error).message}.`, { cause });
      }
      const { tokens, logprobs } = completion;
      if (logprobs.length !== tokens.length) {
        throw new Error(`${baseUrls[i]} returned ${logprobs.length} log-probabilities for ${tokens.length} tokens.`);
      }
      const { count, stopReason } = cut(tokens.slice(0, request.maxTokens), request.stop, tokenizer);
      return { tokens: tokens.slice(0, count), logprobs: logprobs.slice(0, count), stopReason };
    },
  }));
  const balanced = balanceReplicas(replicas, options);

  return {
    policy: { tokenizer, sample: balanced.sample, release: balanced.release },
    exact: wire.exact,
    models,
    async loadAdapter(directory) {
      const adapter = { name: `tapo-${run}-${++pushed}`, directory };
      await Promise.all(servers.map((server) => load(server, adapter)));
      adapters.unshift(adapter);
      for (const { name } of adapters.splice(keepAdapters)) {
        const unload = servers.map((server) =>
          server.call('POST', unloadPath, { lora_name: name }, { maxAttempts: 1 }),
        );
        // one that is gone already, or a server that is away, needs no unloading
        await Promise.allSettled(unload);
      }
      return adapter.name;
    },
    async loadWeights(directory) {
      if (api !== 'sglang')
        throw new Error(`api "${api}" cannot replace all weights: train an adapter, or use SGLang.`);
      const update = { model_path: directory };
      const replies = await Promise.all(
        servers.map((server) => server.call('POST', '/update_weights_from_disk', update)),
      );
      const failed = replies.map(({ body }) => body as { success?: boolean; message?: string }).find((b) => !b.success);
      if (failed) throw new Error(`SGLang did not load ${directory}: ${failed.message ?? 'no reason given'}`);
    },
    async close() {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}
