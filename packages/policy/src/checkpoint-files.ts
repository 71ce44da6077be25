/** A model as a Hugging Face directory: config.json, model.safetensors (or shards and their index), tokenizer files. */
import { copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { writeTokenizerFiles } from './character-tokenizer.js';
import { modelConfigToJson, parseModelConfig, type ModelConfig, type ParseModelConfigOptions } from './config.js';
import { requireFinite } from './finite.js';
import { readJson } from './json-file.js';
import { parameterShapes, type HostParameters } from './parameters.js';
import {
  openSafetensors,
  writeSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
  type WriteSafetensorsOptions,
} from './safetensors.js';
import type { TokenizerFiles } from './tokenizer.js';

const weightsName = 'model.safetensors';
const indexName = 'model.safetensors.index.json';

/** Files that travel with a model unchanged. */
const companionFiles = [
  'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json', 'chat_template.jinja',
  'vocab.json', 'merges.txt', 'tokenizer.model', 'generation_config.json',
]; // prettier-ignore

/** Tensors that some exports carry and the model does not need. */
const ignoredTensor = /\.rotary_emb\.inv_freq$/;

export interface Model {
  config: ModelConfig;
  parameters: HostParameters;
}

export interface LoadModelDirectoryOptions extends Pick<ParseModelConfigOptions, 'ignoreFields'> {
  signal?: AbortSignal;
}

/**
 * Reads configuration and weights (as float32), one tensor at a time.
 * @throws naming file and key: missing file or shard, truncated file, missing or unexpected tensor, wrong shape.
 */
export async function loadModelDirectory(
  directory: string,
  { ignoreFields = [], signal }: LoadModelDirectoryOptions = {},
): Promise<Model> {
  const config = await loadModelConfig(directory, { ignoreFields });
  const shapes = parameterShapes(config);
  const files = new Map<string, SafetensorsFile>();
  try {
    const locations = await locateTensors(directory, files);
    for (const name of locations.keys()) {
      if (name in shapes || ignoredTensor.test(name)) continue;
      if (name === 'lm_head.weight' && config.tieWordEmbeddings) continue;
      throw new Error(
        `${locations.get(name)?.path}: unexpected tensor "${name}": a ${config.architecture} model with this config.json has none of that name`,
      );
    }
    const parameters: HostParameters = {};
    for (const [name, shape] of Object.entries(shapes)) {
      signal?.throwIfAborted();
      const file = locations.get(name);
      if (!file)
        throw new Error(`${directory}: tensor "${name}" [${shape.join(', ')}] is missing; config.json asks for it`);
      const found = file.entries.get(name)?.shape ?? [];
      if (found.join() !== shape.join()) {
        throw new Error(
          `${file.path}: tensor "${name}" has shape [${found.join(', ')}], config.json asks for [${shape.join(', ')}]`,
        );
      }
      parameters[name] = requireFinite(await file.read(name), name, file.path);
    }
    return { config, parameters };
  } finally {
    for (const file of files.values()) await file.close();
  }
}

/** Reads `config.json` alone. */
export async function loadModelConfig(
  directory: string,
  { ignoreFields = [] }: Pick<ParseModelConfigOptions, 'ignoreFields'> = {},
): Promise<ModelConfig> {
  const source = join(directory, 'config.json');
  return parseModelConfig(await readJson(source), { source, ignoreFields });
}

/** The tensors that a model directory's files hold, without reading them. */
export async function listTensors(directory: string): Promise<SafetensorsEntry[]> {
  const files = new Map<string, SafetensorsFile>();
  try {
    const locations = await locateTensors(directory, files);
    return [...locations].map(([name, file]) => file.entries.get(name) as SafetensorsEntry);
  } finally {
    for (const file of files.values()) await file.close();
  }
}

/** Which open file holds each tensor. Opened files are added to `files`; the caller closes them. */
async function locateTensors(
  directory: string,
  files: Map<string, SafetensorsFile>,
): Promise<Map<string, SafetensorsFile>> {
  const present = await readdir(directory);
  const openOnce = async (name: string) => {
    const file = files.get(name) ?? (await openSafetensors(join(directory, name)));
    files.set(name, file);
    return file;
  };
  const locations = new Map<string, SafetensorsFile>();
  if (!present.includes(indexName)) {
    if (!present.includes(weightsName)) {
      const remedy = present.some((name) => /\.(bin|pt|pth)$/.test(name))
        ? "PyTorch's own files are not read: in Python, AutoModelForCausalLM.from_pretrained(…).save_pretrained(…) writes safetensors"
        : 'download them again';
      throw new Error(
        `${directory}: neither ${weightsName} nor ${indexName} is there, found: ${present.join(', ') || 'nothing'}; ${remedy}`,
      );
    }
    const file = await openOnce(weightsName);
    for (const name of file.entries.keys()) locations.set(name, file);
    return locations;
  }
  const indexPath = join(directory, indexName);
  const index = (await readJson(indexPath)) as { weight_map?: Record<string, string> };
  if (typeof index.weight_map !== 'object' || index.weight_map === null) {
    throw new Error(`${indexPath}: "weight_map" is missing, wanted {tensor name: file name}`);
  }
  for (const [name, shard] of Object.entries(index.weight_map)) {
    if (typeof shard !== 'string' || basename(shard) !== shard || shard.includes('\\')) {
      throw new Error(
        `${indexPath}: tensor "${name}" is placed in ${JSON.stringify(shard)}, wanted the name of a file beside the index`,
      );
    }
    if (!present.includes(shard)) {
      throw new Error(
        `${indexPath}: shard "${shard}" (tensor "${name}") is missing from the directory; download it again`,
      );
    }
    const file = await openOnce(shard);
    if (!file.entries.has(name))
      throw new Error(`${file.path}: no tensor "${name}", though ${indexName} places it there`);
    locations.set(name, file);
  }
  return locations;
}

export interface SaveModelDirectoryOptions extends Pick<WriteSafetensorsOptions, 'dtype'> {
  /** directory whose tokenizer files and generation_config.json are copied, and whose other config.json fields are kept */
  companionsFrom?: string;
  /** tokenizer files to write, where no directory has them */
  tokenizer?: TokenizerFiles;
  /** weights are split into files of at most this many bytes */
  maxShardBytes?: number;
}

/**
 * Writes a directory that this package, transformers, vLLM and llama.cpp's converter load. It is complete or absent: everything is written
 * beside it and renamed at the end; a model directory of that name is replaced.
 */
export async function saveModelDirectory(
  directory: string,
  { config, parameters }: Model,
  { dtype = 'F32', companionsFrom, tokenizer, maxShardBytes = 5e9 }: SaveModelDirectoryOptions = {},
): Promise<void> {
  for (const [name, shape] of Object.entries(parameterShapes(config))) {
    if (parameters[name]?.shape.join() !== shape.join()) {
      throw new Error(
        `cannot save ${directory}: parameter "${name}" is ${parameters[name] ? `[${parameters[name].shape.join(', ')}]` : 'missing'}, the configuration wants [${shape.join(', ')}]`,
      );
    }
  }
  await writeDirectoryAtomically(directory, async (temporary) => {
    const original = companionsFrom ? ((await readJson(join(companionsFrom, 'config.json'))) as object) : {};
    const kept = Object.fromEntries(
      Object.entries(original).filter(([name]) => name !== 'rope_parameters' && name !== 'dtype'),
    );
    const json = { ...kept, ...modelConfigToJson(config), torch_dtype: dtype === 'F32' ? 'float32' : 'bfloat16' };
    await writeFile(join(temporary, 'config.json'), `${JSON.stringify(json, null, 2)}\n`);
    await writeWeights(temporary, parameters, dtype, maxShardBytes);
    if (companionsFrom) await copyCompanionFiles(companionsFrom, temporary);
    if (tokenizer) await writeTokenizerFiles(temporary, tokenizer);
  });
}

/** Copies what a model directory has beside weights and config.json: tokenizer files, generation_config.json. */
export async function copyCompanionFiles(from: string, to: string): Promise<void> {
  const present = await readdir(from);
  for (const name of companionFiles.filter((file) => present.includes(file))) {
    await copyFile(join(from, name), join(to, name));
  }
}

async function writeWeights(
  directory: string,
  parameters: HostParameters,
  dtype: 'F32' | 'BF16',
  maxShardBytes: number,
): Promise<void> {
  const width = dtype === 'F32' ? 4 : 2;
  const shards: { tensors: HostParameters; bytes: number }[] = [];
  for (const [name, tensor] of Object.entries(parameters)) {
    const bytes = tensor.data.length * width;
    let shard = shards.at(-1);
    if (!shard || shard.bytes + bytes > maxShardBytes) shards.push((shard = { tensors: {}, bytes: 0 }));
    shard.tensors[name] = tensor;
    shard.bytes += bytes;
  }
  if (shards.length <= 1) return writeSafetensors(join(directory, weightsName), parameters, { dtype });
  const number = (n: number) => String(n).padStart(5, '0');
  const weightMap: Record<string, string> = {};
  for (const [i, { tensors }] of shards.entries()) {
    const name = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`;
    for (const tensor of Object.keys(tensors)) weightMap[tensor] = name;
    await writeSafetensors(join(directory, name), tensors, { dtype });
  }
  const total = shards.reduce((sum, { bytes }) => sum + bytes, 0);
  await writeFile(
    join(directory, indexName),
    JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }, null, 2),
  );
}

/**
 * Fills a temporary directory beside `directory`, then renames it into place. A reader sees the old one or the new one, whole.
 * @throws when `directory` exists, is not empty, and does not look like something this package wrote.
 */
export async function writeDirectoryAtomically(
  directory: string,
  fill: (temporary: string) => Promise<void>,
  { marker = 'config.json' }: { marker?: string } = {},
): Promise<void> {
  const existing = await readdir(directory).catch(() => undefined);
  if (existing && existing.length > 0 && !existing.includes(marker)) {
    throw new Error(
      `${directory}: not empty and without ${marker}, so it will not be replaced; choose another directory`,
    );
  }
  const beside = (kind: string) => join(dirname(directory), `.${basename(directory)}.${kind}-${process.pid}`);
  const temporary = beside('new');
  const old = beside('old');
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  try {
    await fill(temporary);
    if (existing) await rename(directory, old);
    await rename(temporary, directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}
