import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import {
  companionsOf,
  inspectModel,
  loadGguf,
  loadModel,
  loadModelDirectory,
  loadModelTokenizer,
  locateModel,
  saveModelDirectory,
  type ModelLocation,
} from '@tapo/policy';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const gguf: ModelLocation = { kind: 'gguf', path: fixture('gguf/tiny-llama.gguf') };
const folder = () => mkdtemp(join(tmpdir(), 'tapo-source-'));

it('a model is a directory, a .gguf file or an id of the hub', async () => {
  const directory = fixture('qwen2-untied');
  expect(await locateModel(directory)).toEqual({ kind: 'directory', path: directory });
  expect(await locateModel(gguf.path)).toEqual(gguf);
  await expect(locateModel('./no/model')).rejects.toThrow(
    /no model in .\/no\/model: no such directory; give a directory/,
  );
  await expect(locateModel('no/model.gguf')).rejects.toThrow(/no such file; give/);
  await expect(locateModel(join(directory, 'config.json'))).rejects.toThrow(
    /a file, but not a .gguf; give the directory/,
  );
  const cached = { localFilesOnly: true, cacheDirectory: await folder() };
  await expect(locateModel('org/name@v2', cached)).rejects.toThrow(
    /no model in org\/name@v2: no such directory here; as an id of the hub: model "org\/name" at revision "v2" is not in the cache/,
  );
});

it('a directory that is no model: what it is instead, and what to give', async () => {
  const directory = await folder();
  const refused = (options = {}) =>
    locateModel(directory, options).then(
      () => 'taken',
      (error: Error) => error.message.replace(directory, 'D'),
    );
  expect(await refused()).toBe(
    'D: no config.json in it, found: nothing; give a directory with config.json, model.safetensors and tokenizer.json',
  );
  await writeFile(join(directory, 'a.gguf'), '');
  expect(await refused()).toBe('D: no config.json in it; give one of its files: a.gguf');
  await writeFile(join(directory, 'adapter_config.json'), '{"base_model_name_or_path": "org/base"}');
  expect(await refused()).toBe(
    'D: a LoRA adapter, no model; give the model under it (org/base), and this as its adapter',
  );
  await writeFile(join(directory, 'tokenizer.json'), '{}');
  expect(await refused({ weights: false })).toBe('taken'); // for servers that have the weights
});

it('a .gguf file gives a whole model, and a whole directory', async () => {
  const { tokenizer, ...model } = await loadModel(gguf);
  const { tokenizer: _, ...expected } = await loadGguf(gguf.path);
  expect(model).toEqual(expected);
  const text = '<|user|>the a 12<|end|>';
  expect((await loadModelTokenizer(gguf)).encode(text)).toEqual(tokenizer.encode(text));
  const out = join(await folder(), 'model');
  await saveModelDirectory(out, model, await companionsOf(gguf));
  expect((await readdir(out)).toSorted()).toEqual([
    'config.json',
    'generation_config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  const again = await loadModel({ kind: 'directory', path: out });
  expect({ config: again.config, parameters: again.parameters }).toEqual(model);
  expect(again.tokenizer.encode(text)).toEqual(tokenizer.encode(text));
});

it('a model is inspected without reading its weights', async () => {
  const { stored, config } = await inspectModel(gguf);
  expect(config.architecture).toBe('llama');
  const weights = Object.values(await loadGguf(gguf.path).then(({ parameters }) => parameters));
  const total = weights.reduce((sum, { data }) => sum + data.length, 0);
  // the file has Llama 3's RoPE factors beside the weights: half of a head's 16 numbers
  expect(Object.values(stored).reduce((sum, count) => sum + count, 0)).toBe(total + 8);
  expect(stored['Q8_0']).toBeGreaterThan(0);
  const directory = fixture('qwen2-untied');
  const parameters = Object.values((await loadModelDirectory(directory)).parameters);
  const path = { kind: 'directory', path: directory } as const;
  expect((await inspectModel(path)).stored).toEqual({
    F32: parameters.reduce((sum, { data }) => sum + data.length, 0),
  });
});

it('a directory without tokenizer fails before its weights are read', async () => {
  const directory = await folder();
  await writeFile(join(directory, 'config.json'), '{}');
  await expect(loadModel({ kind: 'directory', path: directory })).rejects.toThrow(/tokenizer.json: cannot read/);
});
