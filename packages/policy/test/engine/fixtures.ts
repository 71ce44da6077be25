import {
  characterTokenizer,
  createTokenizer,
  initializeParameters,
  parseModelConfig,
  type ModelConfig,
} from '@tapo/policy';

import { createEngine, type Engine } from '../../src/engine/engine.js';
import type { EngineSetup } from '../../src/engine/protocol.js';
import { engineBackend } from '../backend.js';

export const tokenizer = createTokenizer(characterTokenizer({ tags: ['<answer>', '</answer>'] }));

export function tinyConfig(fields: Record<string, unknown> = {}): ModelConfig {
  return parseModelConfig({
    model_type: 'qwen2',
    vocab_size: tokenizer.vocabSize,
    hidden_size: 32,
    intermediate_size: 48,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    tie_word_embeddings: true,
    ...fields,
  });
}

/** Large enough weights that the distribution is far from uniform, and depends on what came before. */
export function tinyParameters(config: ModelConfig, seed = 3) {
  return initializeParameters(config, { seed, linearStd: 'fan-in', embeddingStd: 0.3 });
}

/** An engine on this thread. */
export function tinyEngine(setup: Partial<EngineSetup> = {}): Promise<Engine> {
  const config = setup.config ?? tinyConfig();
  return createEngine({
    config,
    parameters: tinyParameters(config),
    backend: engineBackend,
    threads: 1,
    microBatchTokens: 1024,
    gradientCheckpointing: false,
    keepReference: false,
    maxCacheBytes: 2 ** 28,
    maxArenaBytes: 2 ** 28,
    maxRows: 32,
    mostSteps: 4,
    compiledShapes: 32,
    eosTokenIds: tokenizer.eosTokenIds,
    ...setup,
  });
}

/** mulberry32 */
export function randomGenerator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below);
  };
}
