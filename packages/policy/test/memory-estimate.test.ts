import { expect, it } from 'vitest';

import { estimateMemory, parseModelConfig } from '@tapo/policy';

// SmolLM2-135M
const config = parseModelConfig({
  model_type: 'llama',
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  tie_word_embeddings: true,
  max_position_embeddings: 8192,
});
const estimate = (options: Parameters<typeof estimateMemory>[1] = {}) =>
  estimateMemory(config, { threads: 2, ...options });

it('counts what is counted exactly', () => {
  const { weights, keyValueCache, loraParameters } = estimate({ rows: 8, length: 512 });
  expect(weights).toBe(4 * 134_515_008);
  // keys and values, 30 layers, 3 heads of 64, 4 bytes
  expect(keyValueCache).toBe(8 * 512 * 2 * 30 * 3 * 64 * 4);
  // rank 16 on q and o (576+576 each), k and v (576+192 each), gate, up and down (576+1536 each), 30 layers
  expect(loraParameters).toBe(16 * 30 * (2 * 1152 + 2 * 768 + 3 * 2112));
});

// Peaks of bench/memory-estimate.ts on two cores, in GB.
it.each([
  ['sampling', { rows: 8, length: 128, microBatchTokens: 578 }, 1.05],
  ['sampling', { rows: 8, length: 512, microBatchTokens: 578 }, 1.6],
  ['loraTraining', { rows: 8, length: 128, microBatchTokens: 578 }, 2.21],
  ['loraTraining', { rows: 8, length: 512, microBatchTokens: 578 }, 2.48],
  ['loraTraining', { rows: 8, length: 128, microBatchTokens: 682, gradientCheckpointing: true }, 1.99],
] as const)('is near the measured peak of %s %j', (what, options, measured) => {
  expect(Math.abs(estimate(options)[what] / 1e9 / measured - 1)).toBeLessThan(0.21);
});

it('grows with rank, rows and length, and shrinks with checkpointing', () => {
  const base = estimate();
  expect(estimate({ lora: { rank: 64, targets: ['q_proj'] } }).loraParameters).toBe(64 * 30 * 1152);
  expect(estimate({ rows: 16 }).sampling).toBeGreaterThan(base.sampling);
  expect(estimate({ gradientCheckpointing: true, microBatchTokens: base.microBatchTokens }).loraTraining).toBeLessThan(
    base.loraTraining,
  );
});
