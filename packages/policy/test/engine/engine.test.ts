import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  characterTokenizer,
  createLocalEngine,
  createTokenizer,
  initializeParameters,
  parseModelConfig,
  type LocalEngine,
  type SampleRequest,
} from '@tapo/policy';

const tokenizer = createTokenizer(characterTokenizer({ tags: ['<answer>', '</answer>'] }));
const config = parseModelConfig({
  model_type: 'qwen2',
  vocab_size: tokenizer.vocabSize,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
});
const parameters = initializeParameters(config, { seed: 3, linearStd: 'fan-in', embeddingStd: 0.3 });

function request(sequenceId: string, text: string, options: Partial<SampleRequest> = {}): SampleRequest {
  const tokens = tokenizer.encode(text);
  return { sequenceId, tokens, maxTokens: 12, stop: [], temperature: 1, topP: 1, topK: 0, seed: 5, ...options };
}

describe('a local engine', () => {
  let engine: LocalEngine;
  beforeAll(async () => {
    engine = await createLocalEngine({ config, parameters, tokenizer, backend: 'compiled', threads: 1 });
  });
  afterAll(() => engine.close());

  it('samples the same tokens for one seed, others for another', async () => {
    const first = await engine.policy.sample(request('a', 'hello'));
    const again = await engine.policy.sample(request('b', 'hello'));
    const other = await engine.policy.sample(request('c', 'hello', { seed: 6 }));
    expect(again).toEqual(first);
    expect(other.tokens).not.toEqual(first.tokens);
    expect(first.tokens).toHaveLength(12);
  });

  it('learns a mapping', async () => {
    const inputs = Int32Array.from({ length: 64 }, (_, i) => 10 + (i % 20));
    const batch = {
      rows: 4,
      length: 16,
      lengths: new Int32Array(4).fill(16),
      inputs,
      targets: inputs.map((token) => token + 1),
      lossMask: new Float32Array(64).fill(1),
      weights: new Float32Array(64).fill(1 / 64),
    };
    const losses: number[] = [];
    for (let step = 0; step < 10; step++) {
      losses.push((await engine.learner.forwardBackward(batch, { name: 'cross-entropy' })).loss);
      await engine.learner.optimizerStep({ learningRate: 1e-2 });
    }
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 3);
  });
});
