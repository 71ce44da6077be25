/** Text ↔ token ids, from the files a Hugging Face model carries. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';

import { compileChatTemplate, tokenContent, type ChatTemplate, type TokenizerConfigJson } from './chat-template.js';
import type { ModelConfig } from './config.js';
import { parseJson } from './json-file.js';
import { withLiteralSpans, type Span } from './special-tokens.js';
import { tokenBytes, type TokenizerJson } from './token-bytes.js';

/** Fits the `Tokenizer` that `@tapo/rollout` asks for. */
export interface Tokenizer {
  /** never adds special tokens; special tokens written in the text become their ids, except in its `literal` parts */
  encode(text: string, options?: EncodeOptions): number[];
  /** special tokens included; bytes that are not UTF-8 become U+FFFD */
  decode(tokens: readonly number[]): string;
  /** the bytes a token stands for; empty for an id without token */
  tokenBytes(token: number): Uint8Array;
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number;
  /** the token a plain prompt should begin with, where the model was trained with one: what the tokenizer's own files put there */
  readonly bosTokenId?: number;
  /** texts that `encode` reads as special tokens: ends of turns and texts, not tags such as `<tool_call>` */
  readonly specialTokens: readonly string[];
  /** one more than the largest id */
  readonly vocabSize: number;
  applyChatTemplate?: ChatTemplate;
}

export interface EncodeOptions {
  /** parts that others wrote (questions, observations): special tokens in them are text */
  literal?: readonly Span[];
}

/** Contents of the files that define a tokenizer. */
export interface TokenizerFiles {
  tokenizer: TokenizerJson;
  config?: TokenizerConfigJson;
  /** text of `chat_template.jinja` */
  chatTemplate?: string;
  /** `generation_config.json` */
  generationConfig?: Record<string, unknown>;
  /** `config.json` of the model */
  modelConfig?: Record<string, unknown>;
}

/**
 * Reads `tokenizer.json` and, where present, `tokenizer_config.json`, `chat_template.jinja`, `generation_config.json` and `config.json`.
 * @throws when tokenizer.json is missing or not understood
 */
export async function loadTokenizer(directory: string): Promise<Tokenizer> {
  const text = (name: string) => readFile(join(directory, name), 'utf8').catch(() => undefined);
  const json = async (name: string) => {
    const content = await text(name);
    return content === undefined ? undefined : (parseJson(content, join(directory, name)) as never);
  };
  const source = join(directory, 'tokenizer.json');
  const tokenizer = await json('tokenizer.json');
  if (!tokenizer)
    throw new Error(
      `${source}: cannot read; a model directory needs its tokenizer.json (tokenizer.model alone is not enough)`,
    );
  const files: TokenizerFiles = {
    tokenizer,
    config: await json('tokenizer_config.json'),
    chatTemplate: await text('chat_template.jinja'),
    generationConfig: await json('generation_config.json'),
    modelConfig: await json('config.json'),
  };
  return createTokenizer(files, { source });
}

export interface CreateTokenizerOptions {
  /** named in errors */
  source?: string;
}

/** Builds a tokenizer from the contents of its files. */
export function createTokenizer(
  { tokenizer: json, config = {}, chatTemplate, generationConfig = {}, modelConfig = {} }: TokenizerFiles,
  { source = 'tokenizer.json' }: CreateTokenizerOptions = {},
): Tokenizer {
  if (typeof json?.model?.vocab !== 'object')
    throw new Error(`${source}: "model.vocab" is missing; wanted a Hugging Face tokenizer.json`);
  const bytes = tokenBytes(json, source);
  const inner = new HuggingFaceTokenizer(
    { ...json, pre_tokenizer: withExplicitPattern(json.pre_tokenizer) },
    { ...config },
  );
  dropCharactersWithoutToken(inner, json);
  const idOf = (value: unknown): number | undefined => {
    const content = tokenContent(value);
    return content === undefined ? undefined : inner.token_to_id(content);
  };
  const eosTokenIds = [
    ...new Set([
      ...idList(generationConfig.eos_token_id ?? modelConfig.eos_token_id),
      ...idList(idOf(config.eos_token)),
    ]),
  ];
  const padTokenId =
    idOf(config.pad_token) ??
    idList(generationConfig.pad_token_id ?? modelConfig.pad_token_id)[0] ??
    eosTokenIds[0] ??
    0;
  const bosTokenId = startToken(inner);
  const specialTokens = specialContents(
    json,
    config,
    [...eosTokenIds, padTokenId].map((id) => inner.id_to_token(id)),
  );
  const special = new Set(specialTokens);
  const applyChatTemplate = compileChatTemplate(config, { templateFile: chatTemplate, source });
  return {
    encode(text, { literal = [] } = {}) {
      if (text === '') return [];
      const chosen = literal.length === 0 ? inner : withLiteralSpans(inner, special, literal);
      return chosen.encode(text, { add_special_tokens: false }).ids;
    },
    decode: (tokens) => newTextDecoder().decode(concatenate(tokens.map(bytes.of))),
    tokenBytes: bytes.of,
    eosTokenIds,
    padTokenId,
    specialTokens,
    vocabSize: bytes.size,
    ...(bosTokenId === undefined ? {} : { bosTokenId }),
    ...(applyChatTemplate ? { applyChatTemplate } : {}),
  };
}

/** Turns tokens into text as they arrive, holding back the bytes of an unfinished code point. */
export interface IncrementalDecoder {
  /** the text that these tokens complete, possibly empty */
  push(...tokens: number[]): string;
  /** what is left at the end: U+FFFD for an unfinished code point, else nothing */
  flush(): string;
}

/** The texts of all `push` calls and `flush`, joined, equal `decode` of all tokens. */
export function createIncrementalDecoder(tokenizer: Pick<Tokenizer, 'tokenBytes'>): IncrementalDecoder {
  const decoder = newTextDecoder();
  return {
    push: (...tokens) => decoder.decode(concatenate(tokens.map(tokenizer.tokenBytes)), { stream: true }),
    flush: () => decoder.decode(),
  };
}

/**
 * Checks that every token has a row in the embedding, and that the embedding is not far larger than the vocabulary
 * (models pad it to a multiple of 128, or by up to 1%).
 * @throws when they disagree
 */
export function checkVocabulary(
  tokenizer: Pick<Tokenizer, 'vocabSize' | 'eosTokenIds'>,
  config: ModelConfig,
  source = 'model',
): void {
  const tokens = tokenizer.vocabSize;
  const rows = config.vocabSize;
  const most = Math.max(Math.ceil(tokens / 128) * 128, Math.floor(tokens * 1.01));
  if (tokens > rows || rows > most) {
    throw new Error(
      `${source}: tokenizer and model disagree: tokenizer.json has ${tokens} tokens, config.json a vocab_size of ${rows} ` +
        `(wanted ${tokens} to ${most}); one of the two belongs to another model`,
    );
  }
  const outside = tokenizer.eosTokenIds.find((id) => id >= rows);
  if (outside !== undefined) {
    throw new Error(
      `${source}: eos_token_id ${outside} is not below the vocab_size of ${rows}; check generation_config.json and config.json`,
    );
  }
}

/** GPT-2's word pattern, which `ByteLevel` stands for. */
const gpt2Pattern = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/**
 * The same pre-tokenizer with GPT-2's pattern written out. @huggingface/tokenizers 0.2.0 translates `\s` of patterns it is given to Unicode's
 * white space, as the Rust library understands it, but not in its own copy of this one (U+FEFF and U+0085 differ).
 */
function withExplicitPattern(preTokenizer: unknown): unknown {
  const step = preTokenizer as {
    type?: string;
    pretokenizers?: unknown[];
    use_regex?: boolean;
    add_prefix_space?: boolean;
  } | null;
  if (step?.type === 'Sequence') return { ...step, pretokenizers: step.pretokenizers?.map(withExplicitPattern) };
  if (step?.type !== 'ByteLevel' || step.use_regex === false || step.add_prefix_space !== false) return preTokenizer;
  const split = { type: 'Split', pattern: { Regex: gpt2Pattern }, behavior: 'Isolated', invert: false };
  return { type: 'Sequence', pretokenizers: [split, { ...step, use_regex: false }] };
}

/**
 * Where a vocabulary has no token for a byte (SmolLM2 lacks some control characters) nor an unknown token, the Rust library drops the
 * character before merging its neighbours; @huggingface/tokenizers 0.2.0 drops it after.
 */
function dropCharactersWithoutToken(inner: HuggingFaceTokenizer, { model }: TokenizerJson): void {
  if (model.type !== 'BPE' || model.unk_token || model.byte_fallback) return;
  const merger = inner.model as unknown as { bpe(word: string): string[] };
  const merge = merger.bpe.bind(merger);
  merger.bpe = (word) => {
    const known = Array.from(word).filter((character) => inner.token_to_id(character) !== undefined);
    return merge(known.join(''));
  };
}

/**
 * The id that the tokenizer itself puts before a text. The post-processor of tokenizer.json alone decides, as in transformers 5:
 * `add_bos_token` of tokenizer_config.json has no say there.
 */
function startToken(inner: HuggingFaceTokenizer): number | undefined {
  const bare = inner.encode('a', { add_special_tokens: false }).ids[0];
  const first = inner.encode('a').ids[0];
  return first === bare ? undefined : first;
}

/** Added tokens that are marked as special, or that end or begin a text whether marked or not. */
function specialContents(
  { added_tokens = [] }: TokenizerJson,
  config: TokenizerConfigJson,
  named: readonly (string | undefined)[],
): string[] {
  const roles = ['bos_token', 'eos_token', 'pad_token', 'unk_token'].map((role) => tokenContent(config[role]));
  const wanted = new Set([...named, ...roles]);
  return added_tokens.filter(({ content, special }) => special || wanted.has(content)).map(({ content }) => content);
}

function idList(value: unknown): number[] {
  return (Array.isArray(value) ? value : [value]).filter((id): id is number => typeof id === 'number');
}

function newTextDecoder() {
  return new TextDecoder('utf-8', { ignoreBOM: true }); // `ignoreBOM` keeps U+FEFF in the text
}

function concatenate(parts: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
