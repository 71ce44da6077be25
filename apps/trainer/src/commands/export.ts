import {
  companionsOf,
  loadAdapterDirectory,
  loadModel,
  mergeLora,
  parameterCount,
  saveAdapterDirectory,
  saveModelDirectory,
} from '@tapo/policy';
import type { LoraAdapter } from '@tapo/policy';
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command, CommandInput } from '../cli/command.js';
import { textOption, UsageError } from '../cli/command.js';
import { findTrainedModel } from '../trained-model.js';
import type { TrainedModel } from '../trained-model.js';

export const exportCommand: Omit<Command, 'summary'> = {
  positionals: {
    SOURCE: 'a run directory, a checkpoint, an adapter, a model directory, a .gguf file or an id of the hub',
    OUT: 'the directory to write',
  },
  options: {
    adapter: {
      type: 'boolean',
      description: 'write the LoRA adapter alone, in the layout of PEFT, instead of merging it',
    },
    base: {
      type: 'string',
      value: 'MODEL',
      description: 'the model under an adapter, where neither run nor adapter says',
    },
    dtype: { type: 'string', value: 'TYPE', description: 'F32 (default) or BF16' },
    force: { type: 'boolean', description: 'replace the model or adapter in OUT' },
    json: { type: 'boolean', description: 'print what was written as JSON' },
  },
  details:
    'Writes a directory that transformers, vLLM and the converter of llama.cpp load; with --adapter one for PEFT and vLLM.\n' +
    'It is written beside OUT and renamed at the end: complete or absent.',
  examples: [
    'tapo export runs/first models/first',
    'tapo export runs/first/checkpoints/step-40 models/first-40 --dtype BF16',
    'tapo export runs/lora adapters/lora --adapter',
    'tapo export SmolLM2-135M-Instruct.Q4_1.gguf models/smollm2',
  ],
  async run(input) {
    const [source = '', out = ''] = input.positionals;
    const dtype = dtypeOption(input);
    const asAdapter = input.options['adapter'] === true;
    await requireFree(out, asAdapter ? 'adapter_config.json' : 'config.json', input.options['force'] === true);
    const trained = await findTrainedModel(source, textOption(input, 'base'));
    if (asAdapter && trained.adapter === undefined) {
      throw new UsageError(`${trained.origin} holds all weights, no adapter`, 'leave --adapter out');
    }
    if (resolve(trained.model.path) === resolve(out) || trained.adapter === out) {
      throw new UsageError(`OUT is what is exported: ${out}`, 'choose another directory');
    }
    const written = await (asAdapter ? writeAdapter : writeMerged)(trained, out, dtype);
    const files = await filesOf(out);
    const record = { source: trained.origin, out, ...written, dtype, files };
    console.log(input.options['json'] === true ? JSON.stringify(record, null, 2) : describe(record));
  },
};

interface Written {
  kind: 'model' | 'adapter';
  parameters: number;
  /** of an adapter: the model it belongs to */
  base?: string;
  /** of a model: the adapter merged into it */
  merged?: string;
}

async function writeMerged(trained: TrainedModel, out: string, dtype: 'F32' | 'BF16'): Promise<Written> {
  const { tokenizer: _, ...model } = await loadModel(trained.model);
  const adapter = trained.adapter === undefined ? undefined : await loadAdapterDirectory(trained.adapter, model);
  const parameters = adapter ? mergeLora(model.parameters, adapter.parameters, adapter.config) : model.parameters;
  const companions = await companionsOf(trained.companions);
  await saveModelDirectory(out, { config: model.config, parameters }, { dtype, ...companions });
  return {
    kind: 'model',
    parameters: parameterCount(model.config),
    ...(trained.adapter !== undefined && { merged: trained.adapter }),
  };
}

async function writeAdapter(trained: TrainedModel, out: string, dtype: 'F32' | 'BF16'): Promise<Written> {
  const model = await loadModel(trained.model);
  const adapter: LoraAdapter = await loadAdapterDirectory(trained.adapter as string, model);
  // PEFT and vLLM open it under this name, from any directory
  const base = existsSync(trained.modelName) ? resolve(trained.modelName) : trained.modelName;
  await saveAdapterDirectory(out, adapter, { baseModel: base, base: model.parameters, dtype });
  const parameters = Object.values(adapter.parameters).reduce((total, { data }) => total + data.length, 0);
  return { kind: 'adapter', parameters, base };
}

function dtypeOption(input: CommandInput): 'F32' | 'BF16' {
  const dtype = (textOption(input, 'dtype') ?? 'F32').toUpperCase();
  if (dtype === 'F32' || dtype === 'BF16') return dtype;
  throw new UsageError(`--dtype is "${textOption(input, 'dtype')}"`, 'known: F32, BF16');
}

async function requireFree(out: string, marker: string, force: boolean): Promise<void> {
  const present = await readdir(out).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw new UsageError(`${out} is no directory (${error.code})`, 'choose another name');
  });
  if (present.length === 0 || (force && present.includes(marker))) return;
  const remedy = present.includes(marker)
    ? '--force replaces it, or choose another directory'
    : 'choose another directory';
  throw new UsageError(`${out} is not empty`, remedy);
}

async function filesOf(directory: string): Promise<Record<string, number>> {
  const names = (await readdir(directory)).toSorted();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await stat(join(directory, name))).size] as const)),
  );
}

function describe({
  source,
  out,
  kind,
  parameters,
  base,
  merged,
  dtype,
  files,
}: Written & { source: string; out: string; dtype: string; files: Record<string, number> }): string {
  const what = kind === 'adapter' ? `LoRA adapter over ${base}` : merged ? 'model, adapter merged' : 'model';
  const width = Math.max(...Object.keys(files).map((name) => name.length));
  const use =
    kind === 'adapter'
      ? `PeftModel.from_pretrained(base, '${out}'), or tapo chat ${base} --adapter ${out}`
      : `AutoModelForCausalLM.from_pretrained('${out}'), or tapo chat ${out}`;
  return [
    `${source} → ${out}: ${what}, ${parameters.toLocaleString('en')} parameters, ${dtype}`,
    ...Object.entries(files).map(([name, bytes]) => `  ${name.padEnd(width)}  ${bytes.toLocaleString('en')} bytes`),
    `use it with ${use}`,
  ].join('\n');
}
