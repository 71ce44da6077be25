import {
  characterTokenizer,
  initializeParameters,
  parseModelConfig,
  saveModelDirectory,
  writeTokenizerFiles,
} from '@tapo/policy';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const tags = ['think', 'search', 'code', 'response', 'answer'].flatMap((tag) => [`<${tag}>`, `</${tag}>`]);

/** A directory with a random Qwen2 model of a few thousand parameters; its vocabulary has 110 tokens. */
export async function writeTinyModel({ vocabSize = 110, embeddingStd = 0.5 } = {}): Promise<string> {
  const directory = join(await mkdtemp(join(tmpdir(), 'tapo-model-')), 'model');
  const config = parseModelConfig({
    model_type: 'qwen2',
    vocab_size: vocabSize,
    hidden_size: 16,
    intermediate_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: 256,
    tie_word_embeddings: true,
  });
  // a wide embedding makes a random policy that prefers some tokens, and repeats itself
  const parameters = initializeParameters(config, { seed: 1, embeddingStd });
  await saveModelDirectory(directory, { config, parameters });
  await writeTokenizerFiles(directory, characterTokenizer({ tags }));
  return directory;
}
