/** The byte-level BPE tokenizer in GGUF metadata, as Hugging Face files. */
import type { TokenizerFiles } from '../tokenizer.js';
import type { GgufMetadata } from './metadata.js';

/** ggml's token types that are matched before the text is split into words. */
const controlType = 3;
const userDefinedType = 4;

interface Splitting {
  normalizer: object | null;
  preTokenizer: object;
  /** whole words that are in the vocabulary are taken without merging */
  ignoreMerges?: boolean;
}

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };

/** Words are cut by this pattern, then mapped to bytes. */
const splitBy = (pattern: string) => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
    { ...byteLevel, use_regex: false },
  ],
});

/** How text is cut into words, by `tokenizer.ggml.pre`; patterns as in the models' own tokenizer.json. */
const splittings: Record<string, Splitting> = {
  'gpt-2': { normalizer: null, preTokenizer: { ...byteLevel, use_regex: true } },
  smollm: {
    normalizer: null,
    preTokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Digits', individual_digits: true },
        { ...byteLevel, use_regex: true },
      ],
    },
  },
  qwen2: {
    normalizer: { type: 'NFC' },
    preTokenizer: splitBy(
      String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    ),
  },
  'llama-bpe': {
    normalizer: null,
    preTokenizer: splitBy(
      String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    ),
    ignoreMerges: true,
  },
};

/** @throws for a tokenizer that is not byte-level BPE, or splits words in an unknown way, by name */
export function ggufTokenizer(metadata: GgufMetadata, source: string): TokenizerFiles {
  const key = (name: string) => metadata[`tokenizer.${name}`];
  if (key('ggml.model') === undefined || !Array.isArray(key('ggml.tokens')) || !Array.isArray(key('ggml.merges'))) {
    throw new Error(
      `${source}: it holds no tokenizer (tokenizer.ggml.model, .tokens and .merges); take a file that has one`,
    );
  }
  if (key('ggml.model') !== 'gpt2') {
    throw new Error(
      `${source}: tokenizer "${String(key('ggml.model'))}" is not implemented, only byte-level BPE ("gpt2")`,
    );
  }
  const pre = String(key('ggml.pre') ?? 'gpt-2');
  const splitting = splittings[pre];
  if (!splitting) {
    throw new Error(`${source}: "tokenizer.ggml.pre" is "${pre}", implemented: ${Object.keys(splittings).join(', ')}`);
  }
  const tokens = key('ggml.tokens') as string[];
  const types = (key('ggml.token_type') ?? []) as number[];
  const added = tokens.flatMap((content, id) => {
    const special = types[id] === controlType;
    if (!special && types[id] !== userDefinedType) return [];
    return [{ id, content, special, single_word: false, lstrip: false, rstrip: false, normalized: false }];
  });
  const tokenAt = (name: string) => tokens[Number(key(`ggml.${name}_token_id`) ?? -1)];
  const endOfSequence = ['eos', 'eot'].map((name) => key(`ggml.${name}_token_id`)).filter((id) => id !== undefined);
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: splitting.normalizer,
      pre_tokenizer: splitting.preTokenizer,
      post_processor:
        key('ggml.add_bos_token') === true ? startWith(String(tokenAt('bos')), Number(key('ggml.bos_token_id'))) : null,
      decoder: byteLevel,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: splitting.ignoreMerges ?? false,
        vocab: Object.fromEntries(tokens.map((content, id) => [content, id])),
        merges: key('ggml.merges') as string[],
      },
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      clean_up_tokenization_spaces: false,
      ...defined({
        bos_token: tokenAt('bos'),
        eos_token: tokenAt('eos'),
        pad_token: tokenAt('padding'),
        unk_token: tokenAt('unknown'),
      }),
      ...defined({ chat_template: key('chat_template') as string | undefined }),
    },
    generationConfig: { eos_token_id: endOfSequence.map(Number) },
  };
}

/** A post-processor that puts one token before the text. */
function startWith(token: string, id: number): object {
  return {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}

function defined<T>(fields: Record<string, T | undefined>): Record<string, T> {
  return Object.fromEntries(Object.entries(fields).filter((entry): entry is [string, T] => entry[1] !== undefined));
}
