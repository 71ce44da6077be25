import {
  characterTokenizer,
  createTokenizer,
  initializeParameters,
  parseModelConfig,
  saveModelDirectory,
  writeTokenizerFiles,
  type Tokenizer,
} from '@tapo/policy';

const tags = ['think', 'code', 'response', 'answer'].flatMap((name) => [`<${name}>`, `</${name}>`]);

/** A random Llama with a character tokenizer, small enough to train on a CPU, in Hugging Face's layout. */
export async function makeTinyModel(directory: string): Promise<Tokenizer> {
  const files = characterTokenizer({ tags });
  const tokenizer = createTokenizer(files);
  const config = parseModelConfig({
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: tokenizer.vocabSize,
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 512,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: false,
  });
  await saveModelDirectory(directory, {
    config,
    parameters: initializeParameters(config, { seed: 1, embeddingStd: 0.2, linearStd: 'fan-in' }),
  });
  await writeTokenizerFiles(directory, files);
  return tokenizer;
}
