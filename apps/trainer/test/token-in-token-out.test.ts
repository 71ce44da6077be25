import { collate } from '@tapo/core';
import { rollout, tagProtocol } from '@tapo/rollout';
import type { Protocol } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { expect, it } from 'vitest';
import { resolveConfig } from '../src/config/schema.js';
import { openEngine } from '../src/open-engine.js';
import { writeTinyModel } from './tiny-model.js';

const tools: Tool<string>[] = [{ name: 'search', description: '', execute: (query) => `found ${query}` }];
/** a random policy seldom writes a tag, but often an "e": that calls the tool */
const protocol: Protocol = {
  ...tagProtocol(tools),
  stop: ['e'],
  parse: (text) =>
    text.endsWith('e') ? { kind: 'calls', calls: [{ tool: 'search', input: text }] } : { kind: 'none' },
};

it('a trajectory fed through the teacher-forced pass gives the log-probabilities it was sampled with', async () => {
  const engine = await openEngine(resolveConfig({ model: await writeTinyModel({ embeddingStd: 0.1 }) }));
  try {
    const { policy, learner } = engine;
    const prompt = policy.tokenizer.encode('Area of Chad?');
    const seeds = Array.from({ length: 12 }, (_, seed) => seed);
    const trajectories = await Promise.all(
      seeds.map((seed) => rollout(prompt, { policy, tools, protocol, maxTokens: 256, seed, id: `r${seed}` })),
    );
    expect(trajectories.filter(({ turns }) => turns.length > 1).length).toBeGreaterThan(6);

    const batch = collate(trajectories, { padId: policy.tokenizer.padTokenId });
    const { logprobs } = await learner.logprobs(batch);
    const gaps = trajectories.flatMap(({ tokens, lossMask, rolloutLogprobs }, row) =>
      tokens.map((_, token) =>
        lossMask[token] === 1
          ? Math.abs((logprobs[row * batch.length + token - 1] as number) - (rolloutLogprobs[token] as number))
          : 0,
      ),
    );
    expect(Math.max(...gaps)).toBeGreaterThan(0);
    expect(Math.max(...gaps)).toBeLessThan(1e-4);
  } finally {
    await engine.close();
  }
}, 60_000);
