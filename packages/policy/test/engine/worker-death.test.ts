import type * as workerThreads from 'node:worker_threads';

import { createLocalEngine } from '@tapo/policy';
import { expect, it, vi } from 'vitest';

import { tinyConfig, tinyParameters, tokenizer } from './fixtures.js';

const started: workerThreads.Worker[] = vi.hoisted(() => []);

vi.mock('node:worker_threads', async (importOriginal) => {
  const original = await importOriginal<typeof workerThreads>();
  class RecordedWorker extends original.Worker {
    constructor(...parameters: ConstructorParameters<typeof original.Worker>) {
      super(...parameters);
      started.push(this);
    }
  }
  return { ...original, Worker: RecordedWorker };
});

it('a worker that dies rejects what is pending and what is asked later, and says so', async () => {
  const config = tinyConfig();
  const parameters = tinyParameters(config);
  const endless = { ...tokenizer, eosTokenIds: [] };
  const engine = await createLocalEngine({ config, parameters, tokenizer: endless, backend: 'compiled', threads: 1 });
  const options = { maxTokens: 1500, stop: [], temperature: 1, topP: 1, topK: 0, seed: 1 };
  const pending = engine.policy.sample({ sequenceId: 'a', tokens: [5, 6, 7], ...options });
  await Promise.all([expect(pending).rejects.toThrow(/worker thread ended \(exit code 1\)/), started[0]!.terminate()]);
  await expect(engine.learner.syncSampler()).rejects.toThrow(/worker thread ended/);
  await engine.close();
});
