import type { Batch } from '@tapo/core';
import type { ModelConfig, Tokenizer } from '@tapo/policy';
import { characterTokenizer, createTokenizer, initializeParameters, parseModelConfig } from '@tapo/policy';

/** [hidden, MLP width, layers, heads, key/value heads, vocabulary] */
export const sizes = {
  '0.1M': [64, 128, 2, 2, 2, 112],
  '0.2M': [96, 128, 3, 3, 3, 112],
  '1M': [128, 384, 4, 4, 4, 112],
  '10M': [320, 864, 6, 5, 5, 4096],
  '135M': [576, 1536, 30, 9, 3, 49152],
} as const satisfies Record<string, readonly number[]>;

/** Of a random Qwen2 model, about. */
export type Size = keyof typeof sizes;

export function modelConfig(size: Size): ModelConfig {
  const [hidden, width, layers, heads, kvHeads, vocabulary] = sizes[size];
  return parseModelConfig({
    model_type: 'qwen2',
    vocab_size: vocabulary,
    hidden_size: hidden,
    intermediate_size: width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    tie_word_embeddings: true,
    max_position_embeddings: 8192,
  });
}

/** A model of that size, over characters and as many tokens more as it has. */
export function randomModel(size: Size) {
  const config = modelConfig(size);
  const parameters = initializeParameters(config, { seed: 1, linearStd: 'fan-in', embeddingStd: 0.2 });
  const tokenizer = { ...createTokenizer(characterTokenizer()), vocabSize: config.vocabSize };
  return { config, parameters, tokenizer: endless(tokenizer) };
}

/** No token ends a sequence, so that every one is as long as it is asked to be. */
export function endless(tokenizer: Tokenizer): Tokenizer {
  return { ...tokenizer, eosTokenIds: [] };
}

/** A supervised batch of rows of the given lengths, padded to the longest. */
export function batchOf(lengths: readonly number[], vocabSize: number): Batch {
  const rows = lengths.length;
  const length = Math.max(...lengths);
  const size = rows * length;
  const real = lengths.reduce((total, each) => total + each, 0);
  const lossMask = Float32Array.from({ length: size }, (_, i) =>
    i % length < lengths[Math.floor(i / length)]! ? 1 : 0,
  );
  return {
    rows,
    length,
    lengths: Int32Array.from(lengths),
    inputs: Int32Array.from({ length: size }, (_, i) => (i * 31) % vocabSize),
    targets: Int32Array.from({ length: size }, (_, i) => (i * 17 + 5) % vocabSize),
    lossMask,
    weights: lossMask.map((mask) => mask / real),
  };
}

/** Floating point operations of forward and backward: 6 for each parameter and token, and 12 · length · width in each layer's attention. */
export function trainingFlops(parameters: number, rows: number, length: number, config: ModelConfig): number {
  const { numHiddenLayers, numAttentionHeads, headDim } = config;
  return rows * length * (6 * parameters + 12 * numHiddenLayers * length * numAttentionHeads * headDim);
}
