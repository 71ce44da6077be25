/** Files as an adversary, a broken disk or a broken download would leave them: each is refused by name, before anything large is allocated. */
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { beforeEach, expect, it } from 'vitest';

import {
  characterTokenizer,
  createLocalEngine,
  createTokenizer,
  initializeLora,
  initializeParameters,
  loadAdapterDirectory,
  loadGguf,
  loadModelDirectory,
  parseModelConfig,
  saveAdapterDirectory,
  saveModelDirectory,
  writeSafetensors,
} from '@tapo/policy';

import { parseJson } from '../src/json-file.js';

const config = parseModelConfig({
  model_type: 'qwen2',
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
});
const parameters = initializeParameters(config, { seed: 1 });
const gguf = fileURLToPath(new URL('./fixtures/gguf/tiny-llama.gguf', import.meta.url));

let root: string;
let model: string;
const at = (name: string) => join(model, name);
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tapo-broken-'));
  model = join(root, 'model');
  await saveModelDirectory(model, { config, parameters });
});

async function withJson(name: string, change: (json: Record<string, unknown>) => void): Promise<void> {
  const json = JSON.parse(await readFile(at(name), 'utf8').catch(() => '{}')) as Record<string, unknown>;
  change(json);
  await writeFile(at(name), JSON.stringify(json));
}

it('an empty directory', async () => {
  await expect(loadModelDirectory(root)).rejects.toThrow(`${join(root, 'config.json')}: cannot read (ENOENT)`);
});

it('weights of PyTorch, or none', async () => {
  await rename(at('model.safetensors'), at('pytorch_model.bin'));
  await expect(loadModelDirectory(model)).rejects.toThrow(
    /found: config.json, pytorch_model.bin; PyTorch's own files are not read: .*save_pretrained/,
  );
  await rm(at('pytorch_model.bin'));
  await expect(loadModelDirectory(model)).rejects.toThrow(/found: config.json; download them again/);
});

it('an index that leads out of the directory, names no file, or none that is there', async () => {
  const index = 'model.safetensors.index.json';
  const placed = (shard: unknown) => withJson(index, (json) => (json.weight_map = { 'model.norm.weight': shard }));
  for (const shard of ['../model.safetensors', '/etc/passwd', 'a\\b', 7, null]) {
    await placed(shard);
    await expect(loadModelDirectory(model)).rejects.toThrow(
      `is placed in ${JSON.stringify(shard)}, wanted the name of a file beside the index`,
    );
  }
  await placed('model-00001-of-00002.safetensors');
  await expect(loadModelDirectory(model)).rejects.toThrow(/shard "model-00001-of-00002.safetensors" .* is missing/);
});

it('a header that claims more than there is, or than the format allows', async () => {
  const claim = async (length: bigint) => {
    const bytes = Buffer.alloc(64);
    bytes.writeBigUInt64LE(length);
    await writeFile(at('model.safetensors'), bytes);
    return loadModelDirectory(model);
  };
  await expect(claim(2n ** 63n)).rejects.toThrow(
    /its header claims 9223372036854776000 bytes, more than the format's 100000000/,
  );
  await expect(claim(5000n)).rejects.toThrow(/its header claims 5000 bytes, the file has 64/);
});

it('numbers that are none', async () => {
  for (const value of [NaN, Infinity]) {
    const norm = {
      ...parameters['model.norm.weight']!,
      data: Float32Array.from({ length: 8 }, (_, i) => (i < 5 ? 1 : value)),
    };
    await writeSafetensors(at('model.safetensors'), { ...parameters, 'model.norm.weight': norm });
    await expect(loadModelDirectory(model)).rejects.toThrow(
      `model.safetensors: tensor "model.norm.weight" holds ${value} at index 5`,
    );
  }
});

it('weights of another type', async () => {
  // 8 norms as 32-bit integers: the same number of bytes, so that only the type is wrong
  const bytes = await readFile(at('model.safetensors'));
  const length = Number(bytes.readBigUInt64LE());
  const header = bytes
    .toString('utf8', 8, 8 + length)
    .replace('"model.norm.weight":{"dtype":"F32"', '"model.norm.weight":{"dtype":"I32"');
  bytes.write(header, 8);
  await writeFile(at('model.safetensors'), bytes);
  await expect(loadModelDirectory(model)).rejects.toThrow(
    /tensor "model.norm.weight" is I32; only F32, F16 and BF16 are read/,
  );
});

it('a config with a field missing, of a wrong type, or beyond reason', async () => {
  await withJson('config.json', (json) => delete json.intermediate_size);
  await expect(loadModelDirectory(model)).rejects.toThrow(/config.json: field "intermediate_size" is missing/);
  await withJson('config.json', (json) => Object.assign(json, { intermediate_size: 8, num_hidden_layers: 1e9 }));
  await expect(loadModelDirectory(model)).rejects.toThrow(/"num_hidden_layers" is 1000000000, wanted at most 4096/);
});

it('a tokenizer of another model', async () => {
  const tokenizer = createTokenizer(characterTokenizer());
  await expect(createLocalEngine({ config, parameters, tokenizer })).rejects.toThrow(
    /tokenizer and model disagree: tokenizer.json has 100 tokens, config.json a vocab_size of 11/,
  );
});

it('an adapter with numbers that are none', async () => {
  const lora = { rank: 1, alpha: 1, targets: ['q_proj' as const], rsLora: false };
  const adapter = { config: lora, parameters: initializeLora(config, lora, { seed: 1 }) };
  Object.values(adapter.parameters)[1]!.data[3] = NaN;
  const directory = join(root, 'adapter');
  await saveAdapterDirectory(directory, adapter);
  await expect(loadAdapterDirectory(directory, { config, parameters })).rejects.toThrow(
    /adapter_model.safetensors: tensor ".*lora_B.weight" holds NaN at index 3/,
  );
});

it('a GGUF tensor that claims to reach beyond the file', async () => {
  // name, number of dimensions (u32), sizes (u64 each): the embedding's rows, which say how large the vocabulary is
  const bytes = await readFile(gguf);
  const sizes = bytes.indexOf('token_embd.weight') + 'token_embd.weight'.length + 4;
  bytes.writeBigUInt64LE(2n ** 31n, sizes + 8);
  const path = join(root, 'claims.gguf');
  await writeFile(path, bytes);
  await expect(loadGguf(path)).rejects.toThrow(
    /claims.gguf: the file ends inside tensor "token_embd.weight"; download it again \(.* reach byte \d+ of 56256\)/,
  );
});

it('JSON that breaks off or breaks down: line and column', () => {
  const place = (text: string) => {
    try {
      return parseJson(text, 'f');
    } catch (error) {
      return (error as Error).message.split(': not valid JSON')[0];
    }
  };
  expect(place('{"a": [1, {"b": "\\u00e9"}], "c": -1.5e3}')).toEqual({ a: [1, { b: 'é' }], c: -1500 });
  expect(place('{\n  "a": 1,\n  "b" 2\n}')).toBe('f:3:7'); // no colon
  expect(place('{\n  "a": 1,\n}')).toBe('f:3:1'); // a comma too many
  expect(place('[1, 2')).toBe('f:1:6'); // the end
  expect(place('')).toBe('f:1:1');
  expect(place('{"a": nul}')).toBe('f:1:7');
  expect(place('{"a": "x\n"}')).toBe('f:1:7');
  expect(place('{} {}')).toBe('f:1:4');
  expect(place('[1}')).toBe('f:1:3');
});
