import {
  characterTokenizer,
  companionsOf,
  createTokenizer,
  initializeParameters,
  loadModel,
  loadTokenizer,
  parseModelConfig,
  saveModelDirectory,
} from '@tapo/policy';
import type { HostParameters, Model, Tokenizer } from '@tapo/policy';
import { findModel } from '../find-model.js';
import type { SftConfig } from './config.js';

export interface SftModel extends Model {
  tokenizer: Tokenizer;
  /** writes the model with new weights, in Hugging Face layout */
  save(directory: string, parameters: HostParameters): Promise<void>;
}

const tags = ['think', 'search', 'code', 'response', 'answer'].flatMap((tag) => [`<${tag}>`, `</${tag}>`]);

/** The model to start from: an existing one, or random weights and a tokenizer. */
export async function openSftModel({ model, init, seed, dtype }: SftConfig): Promise<SftModel> {
  if (init === undefined) {
    const location = await findModel(model as string);
    const loaded = await loadModel(location);
    return {
      ...loaded,
      async save(target, parameters) {
        const companions = await companionsOf(location);
        await saveModelDirectory(target, { config: loaded.config, parameters }, { dtype, ...companions });
      },
    };
  }
  const files = init.tokenizer === 'characters' ? characterTokenizer({ tags }) : undefined;
  const tokenizer = files ? createTokenizer(files) : await loadTokenizer(init.tokenizer);
  const config = parseModelConfig({ ...init.config, vocab_size: tokenizer.vocabSize }, { source: 'init.config' });
  return {
    config,
    parameters: initializeParameters(config, { seed, ...init }),
    tokenizer,
    save(target, parameters) {
      const companions = files ? { tokenizer: files } : { companionsFrom: init.tokenizer };
      return saveModelDirectory(target, { config, parameters }, { dtype, ...companions });
    },
  };
}
