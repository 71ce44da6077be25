/** A tokenizer for tiny policies: one token per character, one per tag. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { TokenizerFiles } from './tokenizer.js';

/** The 95 printable ASCII characters and the line feed. */
const asciiAlphabet = `${String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 32 + i))}\n`;

export interface CharacterTokenizerOptions {
  /** characters with a token of their own; any other becomes `<unk>` */
  alphabet?: string;
  /** strings that are one token each, for example `<think>` */
  tags?: readonly string[];
}

/**
 * Ids: `<pad>` 0, `<bos>` 1, `<eos>` 2, `<unk>` 3, then the tags, then the alphabet, each in the order given.
 * The files are ordinary Hugging Face files; `createTokenizer` and Python's tokenizers read them.
 */
export function characterTokenizer({
  alphabet = asciiAlphabet,
  tags = [],
}: CharacterTokenizerOptions = {}): TokenizerFiles {
  const special = ['<pad>', '<bos>', '<eos>', '<unk>'];
  const contents = [...special, ...tags, ...alphabet];
  const repeated = contents.find((content, i) => contents.indexOf(content) !== i);
  if (repeated !== undefined) throw new Error(`character tokenizer: ${JSON.stringify(repeated)} is given twice`);
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [...special, ...tags].map((content, id) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: special.includes(content),
      })),
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: { type: 'Fuse' },
      // BPE without merges cuts text into its characters.
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: '<unk>',
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(contents.map((content, id) => [content, id])),
        merges: [],
      },
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: '<bos>',
      eos_token: '<eos>',
      pad_token: '<pad>',
      unk_token: '<unk>',
      clean_up_tokenization_spaces: false,
    },
  };
}

/** Writes `tokenizer.json`, `tokenizer_config.json` and, where given, the template, for `loadTokenizer`. */
export async function writeTokenizerFiles(directory: string, files: TokenizerFiles): Promise<void> {
  await mkdir(directory, { recursive: true });
  const write = (name: string, content: unknown) =>
    writeFile(join(directory, name), typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`);
  await write('tokenizer.json', files.tokenizer);
  if (files.config) await write('tokenizer_config.json', files.config);
  if (files.chatTemplate) await write('chat_template.jinja', files.chatTemplate);
  if (files.generationConfig) await write('generation_config.json', files.generationConfig);
}
