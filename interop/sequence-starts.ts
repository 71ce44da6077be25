/**
 * Beginning-of-sequence tokens of prompts under the templates `minimal` and `base` against transformers, for tokenizers that put one
 * there and others, whatever tokenizer_config.json says:
 *
 *     node --import tsx --conditions=tapo-source interop/sequence-starts.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { characterTokenizer, loadTokenizer, writeTokenizerFiles } from '@tapo/policy';

import { withStart } from '../apps/trainer/src/prompt.js';
import { report, runPython } from './python.js';

const { tokenizer: json, ...files } = characterTokenizer();
const single = [{ SpecialToken: { id: '<bos>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }];
const special_tokens = { '<bos>': { id: '<bos>', ids: [1], tokens: ['<bos>'] } };
const startWithBos = { type: 'TemplateProcessing', single, pair: single, special_tokens };

const root = await mkdtemp(join(tmpdir(), 'tapo-starts-'));
const directories: string[] = [];
for (const tokenizer_class of ['PreTrainedTokenizerFast', 'LlamaTokenizerFast', 'Qwen2TokenizerFast']) {
  for (const post_processor of [null, startWithBos]) {
    for (const add_bos_token of [undefined, true, false]) {
      const directory = join(root, String(directories.length));
      const config = { ...files.config, tokenizer_class, ...(add_bos_token !== undefined && { add_bos_token }) };
      await writeTokenizerFiles(directory, { ...files, tokenizer: { ...json, post_processor }, config });
      directories.push(directory);
    }
  }
}
const theirs = runPython('sequence_starts.py', [JSON.stringify(directories)]) as number[][];
const tokenizers = await Promise.all(directories.map((directory) => loadTokenizer(directory)));
const ours = tokenizers.map((tokenizer) => withStart(tokenizer.encode('ab'), tokenizer));
const different = ours.filter((tokens, i) => String(tokens) !== String(theirs[i]));
report(`prompts of ${directories.length} tokenizers that begin otherwise`, different.length, 0);
await rm(root, { recursive: true });
