import {
  characterTokenizer,
  createTokenizer,
  initializeParameters,
  loadModelDirectory,
  loadTokenizer,
  parseModelConfig,
  saveModelDirectory,
  writeTokenizerFiles,
} from '@tapo/policy';
import type { HostParameters, Model, Tokenizer } from '@tapo/policy';
import type { SftConfig } from './config.js';

export interface SftModel extends Model {
  tokenizer: Tokenizer;
  /** writes the model with new weights, in Hugging Face layout */
  save(directory: string, parameters: HostParameters): Promise<void>;
}

const tags = ['think', 'search', 'code', 'response', 'answer'].flatMap((tag) => [`<${tag}>`, `</${tag}>`]);

/** The model to start from: a directory, or random weights and a tokenizer. */
export async function openSftModel({ model, init, seed, dtype }: SftConfig): Promise<SftModel> {
  if (init === undefined) {
    const directory = model as string;
    const loaded = await loadModelDirectory(directory);
    return {
      ...loaded,
      tokenizer: await loadTokenizer(directory),
      save: (target, parameters) =>
        saveModelDirectory(target, { config: loaded.config, parameters }, { dtype, companionsFrom: directory }),
    };
  }
  const files = init.tokenizer === 'characters' ? characterTokenizer({ tags }) : undefined;
  const tokenizer = files ? createTokenizer(files) : await loadTokenizer(init.tokenizer);
  const config = parseModelConfig({ ...init.config, vocab_size: tokenizer.vocabSize }, { source: 'init.config' });
  return {
    config,
    parameters: initializeParameters(config, { seed, ...init }),
    tokenizer,
    async save(target, parameters) {
      const companionsFrom = files ? {} : { companionsFrom: init.tokenizer };
      await saveModelDirectory(target, { config, parameters }, { dtype, ...companionsFrom });
      if (files) await writeTokenizerFiles(target, files);
    },
  };
}
