/** What users call a model: a directory, a GGUF file, or an id on the Hugging Face hub. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { writeTokenizerFiles } from './character-tokenizer.js';
import {
  copyCompanionFiles,
  listTensors,
  loadModelConfig,
  loadModelDirectory,
  type LoadModelDirectoryOptions,
  type Model,
  type SaveModelDirectoryOptions,
} from './checkpoint-files.js';
import type { ModelConfig } from './config.js';
import { loadGguf, readGgufHeader } from './gguf/read.js';
import { downloadModel, type DownloadModelOptions } from './hub.js';
import { readJson } from './json-file.js';
import { createTokenizer, loadTokenizer, type Tokenizer } from './tokenizer.js';

/** A model on this machine. */
export interface ModelLocation {
  kind: 'directory' | 'gguf';
  path: string;
}

/** Weights and tokenizer of one model. */
export interface LoadedModel extends Model {
  tokenizer: Tokenizer;
}

/** `owner/name`, perhaps `@revision`: what the hub could know. A path that begins with a dot or a slash is a path. */
const hubId = /^([A-Za-z0-9][\w.-]*\/[\w.-]+)(?:@([\w./-]+))?$/;

/**
 * Finds a model on this machine, or downloads it: an existing directory or `.gguf` file is taken as it is, `owner/name` or
 * `owner/name@revision` otherwise comes from the hub (or its cache).
 * @throws saying what was looked for, and what to give instead
 */
export async function locateModel(model: string, options: DownloadModelOptions = {}): Promise<ModelLocation> {
  const found = await stat(model).catch(() => undefined);
  if (found?.isDirectory()) {
    await requireModelFiles(model, options);
    return { kind: 'directory', path: model };
  }
  if (found) {
    if (/\.gguf$/i.test(model)) return { kind: 'gguf', path: model };
    throw new Error(`${model}: a file, but not a .gguf; give the directory that holds config.json, or a .gguf file`);
  }
  const [, id, revision] = hubId.exec(model) ?? [];
  if (id === undefined || /\.gguf$/i.test(model)) {
    const kind = /\.gguf$/i.test(model) ? 'file' : 'directory';
    throw new Error(
      `no model in ${model}: no such ${kind}; give a directory with config.json, model.safetensors and tokenizer.json, ` +
        `a .gguf file, or an id of the Hugging Face hub, for example Qwen/Qwen2.5-0.5B-Instruct`,
    );
  }
  try {
    const path = await downloadModel(id, { ...options, ...(revision !== undefined && { revision }) });
    return { kind: 'directory', path };
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new Error(`no model in ${model}: no such directory here; as an id of the hub: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** @throws for a directory without config.json, saying what it is instead; where only the tokenizer is wanted, its file is enough */
async function requireModelFiles(directory: string, { weights = true }: DownloadModelOptions): Promise<void> {
  const present = await readdir(directory);
  if (present.includes('config.json') || (!weights && present.includes('tokenizer.json'))) return;
  if (present.includes('adapter_config.json')) {
    const { base_model_name_or_path: base } = (await readJson(join(directory, 'adapter_config.json'))) as Record<
      string,
      unknown
    >;
    const name = typeof base === 'string' && base !== '' ? ` (${base})` : '';
    throw new Error(`${directory}: a LoRA adapter, no model; give the model under it${name}, and this as its adapter`);
  }
  const ggufs = present.filter((name) => /\.gguf$/i.test(name));
  if (ggufs.length > 0) {
    throw new Error(`${directory}: no config.json in it; give one of its files: ${ggufs.join(', ')}`);
  }
  throw new Error(
    `${directory}: no config.json in it, found: ${present.join(', ') || 'nothing'}; give a directory with config.json, ` +
      'model.safetensors and tokenizer.json',
  );
}

/** Weights (as float32) and tokenizer. */
export async function loadModel(
  { kind, path }: ModelLocation,
  options: LoadModelDirectoryOptions = {},
): Promise<LoadedModel> {
  if (kind === 'directory') {
    const tokenizer = await loadTokenizer(path); // small: fails before the weights are read
    return { ...(await loadModelDirectory(path, options)), tokenizer };
  }
  const { tokenizer, ...model } = await loadGguf(path, options);
  return { ...model, tokenizer: createTokenizer(tokenizer, { source: path }) };
}

/** The tokenizer alone. */
export async function loadModelTokenizer({ kind, path }: ModelLocation): Promise<Tokenizer> {
  if (kind === 'directory') return loadTokenizer(path);
  return createTokenizer((await readGgufHeader(path)).tokenizer, { source: path });
}

/** For `saveModelDirectory`: where the tokenizer files of a model made from this one come from. */
export async function companionsOf({
  kind,
  path,
}: ModelLocation): Promise<Pick<SaveModelDirectoryOptions, 'companionsFrom' | 'tokenizer'>> {
  return kind === 'directory' ? { companionsFrom: path } : { tokenizer: (await readGgufHeader(path)).tokenizer };
}

/** Writes a model's tokenizer files, and its generation_config.json, into a directory. */
export async function writeCompanions(location: ModelLocation, directory: string): Promise<void> {
  const { companionsFrom, tokenizer } = await companionsOf(location);
  if (companionsFrom !== undefined) await copyCompanionFiles(companionsFrom, directory);
  if (tokenizer) await writeTokenizerFiles(directory, tokenizer);
}

/** How many weights are stored in each type. */
export type StoredWeights = Record<string, number>;

/** A model's configuration, and how its weights are stored, without reading them. */
export async function inspectModel({ kind, path }: ModelLocation): Promise<{
  config: ModelConfig;
  stored: StoredWeights;
}> {
  const stored: StoredWeights = {};
  const count = (type: string, shape: readonly number[]) => {
    stored[type] = (stored[type] ?? 0) + shape.reduce((product, size) => product * size, 1);
  };
  if (kind === 'gguf') {
    const { config, tensors } = await readGgufHeader(path);
    for (const { quantization, shape } of tensors) count(quantization, shape);
    return { config, stored };
  }
  const config = await loadModelConfig(path);
  for (const { dtype, shape } of await listTensors(path)) count(dtype, shape);
  return { config, stored };
}
