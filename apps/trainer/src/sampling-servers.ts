import type { Tokenizer } from '@tapo/policy';
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from './cli/command.js';
import type { ResolvedConfig } from './config/schema.js';
import type { OpenedEngine } from './engine.js';
import type { Learner } from './learner.js';

type SamplerConfig = NonNullable<ResolvedConfig['sampler']>;

export interface OpenedSampler {
  /** samples; its learner refuses */
  engine: OpenedEngine;
  exact: boolean;
  /** gives the servers a trained adapter that lies in a directory as they see it */
  loadAdapter(directory: string): Promise<unknown>;
}

/** Where the servers are. The key comes from OPENAI_API_KEY. */
export function samplerConnection({ baseUrls, api, model }: SamplerConfig) {
  const apiKey = process.env['OPENAI_API_KEY'];
  return { baseUrls, api, ...(model !== undefined && { model }), ...(apiKey !== undefined && { apiKey }) };
}

/** Samples on vLLM, SGLang or another OpenAI-compatible server. */
export async function openSampler(config: SamplerConfig, tokenizer: Tokenizer): Promise<OpenedSampler> {
  const { createOpenAISampler } = await import('@tapo/tinker/openai');
  const { baseUrls, api, model } = config;
  const { policy, exact, loadAdapter, close } = createOpenAISampler({
    ...samplerConnection(config),
    tokenizer,
    onWarning: (message) => console.error(`note: ${message}`),
  });
  const evaluationOnly = exact
    ? 'engine "openai" samples and does not learn'
    : `sampler.api "${api}" returns neither token ids nor log-probabilities, and engine "openai" does not learn`;
  const engine: OpenedEngine = {
    // the chat template is the tokenizer's own
    policy: { ...policy, tokenizer },
    learner: refusing(evaluationOnly),
    close,
    description: `${model ?? 'the served model'} at ${baseUrls.join(', ')} (${api})`,
    evaluationOnly,
  };
  return { engine, exact, loadAdapter };
}

/** Learns with `engine`, samples on the servers: they get the trained adapter whenever the sampler is to be renewed. */
export async function samplingElsewhere(
  engine: OpenedEngine,
  { engine: sampling, exact, loadAdapter }: OpenedSampler,
  { api, adapterDirectory, serverAdapterDirectory }: SamplerConfig,
): Promise<OpenedEngine> {
  const { learner } = engine;
  if (adapterDirectory === undefined) {
    throw new UsageError('sampler.adapterDirectory is missing', 'give a directory that the sampling servers can read');
  }
  const saveAdapter = learner.saveAdapter?.bind(learner);
  if (saveAdapter === undefined) {
    throw new UsageError('sampler: this engine trains no adapter to push', 'train one: lora, or tinker.rank > 0');
  }
  const close = async () => {
    await engine.close();
    await sampling.close();
  };
  const run = randomUUID().slice(0, 8);
  let version = 0;
  const syncSampler = async (): Promise<void> => {
    const name = `${run}-${++version}`;
    await saveAdapter(join(adapterDirectory, name));
    await loadAdapter(join(serverAdapterDirectory ?? adapterDirectory, name));
    // a server that is started again loads the newest; rollouts under way may use the one before
    await rm(join(adapterDirectory, `${run}-${version - 2}`), { recursive: true, force: true });
  };
  await syncSampler();
  return {
    policy: sampling.policy,
    learner: { ...learner, syncSampler, close },
    close,
    description: `${engine.description}; samples of ${sampling.description}`,
    ...(!exact && { evaluationOnly: `sampler.api "${api}" returns neither token ids nor log-probabilities` }),
  };
}

function refusing(reason: string): Learner {
  const refuse = () => Promise.reject(new UsageError(reason));
  return {
    logprobs: refuse,
    forwardBackward: refuse,
    optimizerStep: refuse,
    save: refuse,
    load: refuse,
    syncSampler: refuse,
    close: async () => {},
  };
}
