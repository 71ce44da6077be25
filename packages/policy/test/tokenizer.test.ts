import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  characterTokenizer,
  checkVocabulary,
  createIncrementalDecoder,
  createTokenizer,
  loadTokenizer,
  parseModelConfig,
  writeTokenizerFiles,
} from '@tapo/policy';

const tags = ['<think>', '</think>', '<answer>', '</answer>'];
const characters = createTokenizer(characterTokenizer({ tags }));

/** GPT-2's byte-level alphabet without merges: every byte is a token. */
function byteLevelFiles() {
  const vocab: Record<string, number> = {};
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  for (let byte = 0, next = 256; byte < 256; byte++) vocab[String.fromCharCode(printable(byte) ? byte : next++)] = byte;
  return {
    tokenizer: {
      version: '1.0',
      added_tokens: [
        {
          id: 256,
          content: '<|im_end|>',
          special: true,
          normalized: false,
          lstrip: false,
          rstrip: false,
          single_word: false,
        },
      ],
      normalizer: null,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: null,
      decoder: { type: 'ByteLevel' },
      model: { type: 'BPE', vocab, merges: [] },
    },
    config: { eos_token: { content: '<|im_end|>' }, clean_up_tokenization_spaces: false },
  };
}
const bytes = createTokenizer(byteLevelFiles());

/** 1 is `<bos>`: what interop/sequence-starts.ts finds in transformers 5.24 for the same files. */
it.each([
  [{}, undefined],
  [{ add_bos_token: true }, undefined],
  [{ post: true }, 1],
  [{ post: true, add_bos_token: false }, 1],
  [{ post: true, bos_token: null }, 1],
])(
  'the post-processor alone decides on a beginning-of-sequence token: %j',
  ({ post, ...config }: Record<string, unknown>, id) => {
    const files = characterTokenizer();
    const single = [{ SpecialToken: { id: '<bos>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }];
    const special_tokens = { '<bos>': { id: '<bos>', ids: [1], tokens: ['<bos>'] } };
    const post_processor = post ? { type: 'TemplateProcessing', single, pair: single, special_tokens } : null;
    const tokenizer = { ...files.tokenizer, post_processor };
    expect(createTokenizer({ ...files, tokenizer, config: { ...files.config, ...config } }).bosTokenId).toBe(id);
  },
);

describe('characterTokenizer', () => {
  it('gives tags and characters one token each', () => {
    // <pad> <bos> <eos> <unk> = 0-3, tags 4-7, then ' ' = 8, so '1' (ASCII 49) = 8 + 49 - 32 = 25
    expect(characters.encode('<think>1 1</think>')).toEqual([4, 25, 8, 25, 5]);
    expect(characters.vocabSize).toBe(4 + 4 + 96);
    expect(characters).toMatchObject({ eosTokenIds: [2], padTokenId: 0 });
    expect(characters.bosTokenId).toBeUndefined();
  });

  it('round-trips any text over its alphabet and tags', () => {
    const text = fc
      .array(fc.oneof(fc.constantFrom(...tags, '\n', '<', '</', 'think>'), fc.string()))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (value) => {
        expect(characters.decode(characters.encode(value))).toBe(value);
      }),
    );
  });

  it('reads special tokens in literal parts as text, tags as tags', () => {
    expect(characters.specialTokens).toEqual(['<pad>', '<bos>', '<eos>', '<unk>']);
    // '<' = 8 + 60 - 32 = 36, 'e' 77, 'o' 87, 's' 91, '>' 38; <eos> = 2, </think> = 5
    const text = '<eos><eos></think>';
    expect(characters.encode(text)).toEqual([2, 2, 5]);
    expect(characters.encode(text, { literal: [[5, 18]] })).toEqual([2, 36, 77, 87, 91, 38, 5]);
    expect(characters.encode('<eos>', { literal: [[4, 5]] })).toEqual([36, 77, 87, 91, 38]);
  });

  it('round-trips literal text, without one special token', () => {
    const text = fc
      .array(fc.oneof(fc.constantFrom(...characters.specialTokens, ...tags, '<', '>', '<eos', 'eos>'), fc.string()))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (value) => {
        const tokens = characters.encode(value, { literal: [[0, value.length]] });
        const plain = value.replaceAll(/[^\x20-\x7e\n]/gu, '<unk>');
        expect(characters.decode(tokens)).toBe(plain);
        expect(tokens.filter((token) => token < 3)).toEqual([]);
      }),
    );
  });

  it('writes files that loadTokenizer reads', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tapo-tokenizer-'));
    await writeTokenizerFiles(directory, characterTokenizer({ alphabet: 'abé', tags }));
    const loaded = await loadTokenizer(directory);
    expect(loaded.decode(loaded.encode('<answer>béa</answer>z'))).toBe('<answer>béa</answer><unk>');
    await rm(directory, { recursive: true });
  });

  it('refuses a token given twice', () => {
    expect(() => characterTokenizer({ alphabet: 'aba' })).toThrow(/"a" is given twice/);
  });
});

describe('decoding', () => {
  it('round-trips Unicode and keeps special tokens', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        fc.pre(!/\p{Surrogate}/u.test(value));
        expect(bytes.decode(bytes.encode(value))).toBe(value);
      }),
    );
    expect(bytes.encode('a<|im_end|>')).toEqual([97, 256]);
    expect(bytes.decode([97, 256, 9999])).toBe('a<|im_end|>');
    expect(bytes.eosTokenIds).toEqual([256]);
  });

  it('cuts words at Unicode white space, as the Rust library does', () => {
    // "  \ufeffa": U+FEFF is no white space (JavaScript's \s says it is), so the words are " ", " \ufeff", "a"; the merge of two
    // spaces (ids of "Ġ Ġ") can therefore not happen. In "  a" the words are " " and " a"; in "   " all three are one word.
    const files = byteLevelFiles();
    const { model } = files.tokenizer;
    const tokenizer = createTokenizer({
      ...files,
      tokenizer: { ...files.tokenizer, model: { ...model, vocab: { ...model.vocab, ĠĠ: 257 }, merges: ['Ġ Ġ'] } },
    });
    expect(tokenizer.encode('  \ufeffa')).toEqual([32, 32, 0xef, 0xbb, 0xbf, 97]);
    expect(tokenizer.encode('  \u0085')).toEqual([257, 0xc2, 0x85]);
  });

  it('an id without token stands for nothing: a hole in the vocabulary, or outside of it', () => {
    const files = byteLevelFiles();
    const model = { ...files.tokenizer.model, vocab: { ...files.tokenizer.model.vocab, é: 300 } };
    const tokenizer = createTokenizer({ ...files, tokenizer: { ...files.tokenizer, model } });
    expect(tokenizer.vocabSize).toBe(301);
    // "é" is the byte E9 under GPT-2's table; 256 is the added token
    const bytesOf = (id: number) => [...tokenizer.tokenBytes(id)];
    expect([300, 256].map(bytesOf)).toEqual([[0xe9], [...Buffer.from('<|im_end|>')]]);
    expect([-1, 257, 299, 301].map(bytesOf)).toEqual([[], [], [], []]);
  });

  it('drops a character without token before merging, as the Rust library does', () => {
    const files = byteLevelFiles();
    const { '!': _, ...vocab } = files.tokenizer.model.vocab;
    const model = { type: 'BPE', vocab: { ...vocab, '%)': 257 }, merges: ['% )'] };
    expect(createTokenizer({ ...files, tokenizer: { ...files.tokenizer, model } }).encode('%!)')).toEqual([257]);
  });

  it('never emits half a code point while streaming', () => {
    // 🦉 is F0 9F A6 89: three pushes without text, then the owl
    const decoder = createIncrementalDecoder(bytes);
    expect([0xf0, 0x9f, 0xa6, 0x89].map((byte) => decoder.push(byte))).toEqual(['', '', '', '🦉']);
    // F0 9F, then 'a': the code point can no longer be finished
    expect([0xf0, 0x9f, 0x61].map((byte) => decoder.push(byte))).toEqual(['', '', '\ufffda']);
    expect(decoder.push(0xc3) + decoder.flush()).toBe('\ufffd');
  });

  it('streams to the same text as decoding at once, for any tokens', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 256 })), (tokens) => {
        const decoder = createIncrementalDecoder(bytes);
        expect(tokens.map((token) => decoder.push(token)).join('') + decoder.flush()).toBe(bytes.decode(tokens));
      }),
    );
  });

  it('understands byte fallback and word marks', () => {
    const { tokenizer } = byteLevelFiles();
    const json = {
      ...tokenizer,
      pre_tokenizer: null,
      model: { type: 'BPE', vocab: { '▁a': 0, '<0xC3>': 1, '<0xA9>': 2 }, merges: [], byte_fallback: true },
      added_tokens: [],
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
        ],
      },
    };
    expect(createTokenizer({ tokenizer: json }).decode([0, 1, 2])).toBe(' aé');
    expect(() => createTokenizer({ tokenizer: { ...json, decoder: { type: 'WordPiece' } } })).toThrow(
      /decoder "WordPiece"/,
    );
  });
});

describe('chat template', () => {
  const template =
    "{% for m in messages %}{{ '<' + m.role + '>' + m.content + eos_token }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
  const messages = [{ role: 'user', content: 'hi' }];

  it('renders with the special tokens and the generation prompt', () => {
    const files = byteLevelFiles();
    const tokenizer = createTokenizer({ ...files, config: { ...files.config, chat_template: template } });
    expect(tokenizer.applyChatTemplate?.(messages)).toBe('<user>hi<|im_end|>');
    expect(tokenizer.applyChatTemplate?.(messages, { addGenerationPrompt: true })).toBe(
      '<user>hi<|im_end|><assistant>',
    );
  });

  it('prefers chat_template.jinja, and a tool template where tools are given', () => {
    const files = byteLevelFiles();
    const chat_template = [
      { name: 'default', template: 'plain' },
      { name: 'tool_use', template: '{{ tools | length }} tools' },
    ];
    const named = createTokenizer({ ...files, config: { chat_template } });
    expect(named.applyChatTemplate?.(messages)).toBe('plain');
    expect(named.applyChatTemplate?.(messages, { tools: [{}, {}] })).toBe('2 tools');
    expect(
      createTokenizer({ ...files, config: { chat_template }, chatTemplate: 'file' }).applyChatTemplate?.(messages),
    ).toBe('file');
    expect(bytes.applyChatTemplate).toBeUndefined();
  });

  it('says what a template refuses', () => {
    const files = byteLevelFiles();
    const refusing = "{{ raise_exception('roles must alternate') }}";
    const tokenizer = createTokenizer({ ...files, config: { chat_template: refusing } });
    expect(() => tokenizer.applyChatTemplate?.(messages)).toThrow(/refused these messages: roles must alternate/);
    expect(() => createTokenizer({ ...files, config: { chat_template: '{% if %}' } })).toThrow(/does not parse/);
  });
});

describe('loading', () => {
  it('takes end-of-sequence ids from generation_config.json, and the tokenizer’s own', () => {
    const files = byteLevelFiles();
    expect(
      createTokenizer({ ...files, generationConfig: { eos_token_id: [7, 8] }, modelConfig: { eos_token_id: 9 } })
        .eosTokenIds,
    ).toEqual([7, 8, 256]);
    expect(createTokenizer({ ...files, modelConfig: { eos_token_id: 9 } }).eosTokenIds).toEqual([9, 256]);
  });

  it('says what is wrong with a directory', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tapo-tokenizer-'));
    await expect(loadTokenizer(directory)).rejects.toThrow(/tokenizer.json: cannot read/);
    await writeFile(join(directory, 'tokenizer.json'), '{');
    await expect(loadTokenizer(directory)).rejects.toThrow(/tokenizer.json:1:2: not valid JSON/);
    await writeFile(join(directory, 'tokenizer.json'), '{}');
    await expect(loadTokenizer(directory)).rejects.toThrow(/"model.vocab" is missing/);
    await rm(directory, { recursive: true });
  });

  it('compares the vocabulary with the model', () => {
    const config = (vocab_size: number) =>
      parseModelConfig({
        model_type: 'qwen2',
        vocab_size,
        hidden_size: 8,
        intermediate_size: 8,
        num_hidden_layers: 1,
        num_attention_heads: 1,
      });
    // 257 tokens: 257 to 3 · 128 = 384 rows are fine
    for (const rows of [257, 384]) expect(() => checkVocabulary(bytes, config(rows))).not.toThrow();
    for (const rows of [256, 385])
      expect(() => checkVocabulary(bytes, config(rows), 'there')).toThrow(
        `257 tokens, config.json a vocab_size of ${rows}`,
      );
    // Qwen2.5: 151665 tokens in 151936 or 152064 rows
    for (const rows of [151936, 152064]) {
      expect(() => checkVocabulary({ vocabSize: 151665, eosTokenIds: [151645] }, config(rows))).not.toThrow();
    }
    expect(() => checkVocabulary({ vocabSize: 257, eosTokenIds: [300] }, config(260))).toThrow(
      /eos_token_id 300 is not below/,
    );
  });
});
