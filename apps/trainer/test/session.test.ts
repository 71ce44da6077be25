import type * as Policy from '@tapo/policy';
import { createLocalEngine } from '@tapo/policy';
import { expect, it, vi } from 'vitest';
import { batchOf } from '../src/bench/models.js';
import { resolveConfig } from '../src/config/schema.js';
import { withSession } from '../src/session.js';
import { writeTinyModel } from './tiny-model.js';

vi.mock('@tapo/policy', async (original) => {
  const policy = await original<typeof Policy>();
  return { ...policy, createLocalEngine: vi.fn<typeof createLocalEngine>(policy.createLocalEngine) };
});

const lora = { rank: 2, alpha: 4, rsLora: false, targets: ['q_proj' as const] };

it.each([
  ['LoRA, one worker', 1, lora],
  ['all weights, two workers', 2, null],
])(
  '%s: the reference of a KL penalty is the one engine, before training',
  async (_, threads, trained) => {
    vi.mocked(createLocalEngine).mockClear();
    const model = await writeTinyModel();
    const config = resolveConfig({
      model,
      tools: [],
      engine: { threads },
      lora: trained,
      loss: { klCoefficient: 0.1 },
    });
    await withSession(config, async ({ engine: { learner }, reference }) => {
      const batch = batchOf([8, 5, 7], 20);
      const before = await learner.logprobs(batch);
      await learner.forwardBackward(batch, { name: 'cross-entropy' });
      await learner.optimizerStep({ learningRate: 0.1 });
      // B of the adapter was zero: its first step changes it, and with it the model
      expect((await learner.logprobs(batch)).logprobs).not.toEqual(before.logprobs);
      expect((await reference?.logprobs(batch))?.logprobs).toEqual(before.logprobs);
    });
    expect(createLocalEngine).toHaveBeenCalledTimes(1);
  },
  60_000,
);

it('without a KL penalty there is none', async () => {
  const config = resolveConfig({ model: await writeTinyModel(), tools: [], engine: { threads: 1 } });
  await withSession(config, async ({ reference, engine }) => {
    expect(reference).toBeUndefined();
    expect(engine.learner.referenceLogprobs).toBeUndefined();
  });
}, 60_000);
