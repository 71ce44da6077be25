import { createLocalEngine, loadModelDirectory, loadTokenizer } from '@tapo/policy';
import type { LocalEngineInfo, LocalEngineOptions } from '@tapo/policy';
import type { Policy } from '@tapo/rollout';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from './cli/command.js';
import type { ResolvedConfig } from './config/schema.js';
import type { Learner } from './learner.js';

/** A model that samples and learns: local worker or remote server. */
export interface Engine {
  policy: Policy;
  learner: Learner;
  close(): Promise<void>;
}

/** An engine on this machine, and what was chosen for it. */
export interface OpenedEngine extends Engine {
  info: LocalEngineInfo;
}

/** Loads `config.model` into an engine. @throws UsageError when there is no model directory */
export async function openEngine({ model, engine }: Pick<ResolvedConfig, 'model' | 'engine'>): Promise<OpenedEngine> {
  if (!existsSync(join(model, 'config.json'))) {
    throw new UsageError(
      `no model in ${model}: ${existsSync(model) ? 'config.json is missing' : 'no such directory'}`,
      'give a directory in Hugging Face layout: config.json, model.safetensors, tokenizer.json',
    );
  }
  const { threads, backend, microBatchTokens, maxRows } = engine;
  return createLocalEngine({
    ...(await loadModelDirectory(model)),
    tokenizer: await loadTokenizer(model),
    backend: backend as NonNullable<LocalEngineOptions['backend']>,
    microBatchTokens,
    maxRows,
    ...(threads > 0 && { threads }),
  });
}
