/** LoRA adapters in PEFT's layout: adapter_config.json and adapter_model.safetensors. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeDirectoryAtomically, type Model } from './checkpoint-files.js';
import { requireFinite } from './finite.js';
import { readJson } from './json-file.js';
import { loraShapes, type LoraConfig, type LoraTarget } from './lora.js';
import type { HostParameters } from './parameters.js';
import { openSafetensors, writeSafetensors, type WriteSafetensorsOptions } from './safetensors.js';

const configName = 'adapter_config.json';
const weightsName = 'adapter_model.safetensors';

/** An adapter in plain memory. */
export interface LoraAdapter {
  config: LoraConfig;
  parameters: HostParameters;
}

export interface SaveAdapterDirectoryOptions extends Pick<WriteSafetensorsOptions, 'dtype'> {
  /** what PEFT users will load the base from: a hub id or a directory; written to adapter_config.json */
  baseModel?: string;
  /** the weights it was trained on, or their `weightsFingerprint`, which is stored: loading over other weights is noticed */
  base?: HostParameters | string;
}

/** Writes a directory that PEFT's `PeftModel.from_pretrained` loads. Complete or absent, like `saveModelDirectory`. */
export async function saveAdapterDirectory(
  directory: string,
  { config, parameters }: LoraAdapter,
  { baseModel = '', base, dtype }: SaveAdapterDirectoryOptions = {},
): Promise<void> {
  const json = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: config.rank,
    lora_alpha: config.alpha,
    lora_dropout: 0,
    use_rslora: config.rsLora,
    target_modules: config.targets,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
  };
  const metadata = {
    format: 'pt',
    ...(base && { base_fingerprint: typeof base === 'string' ? base : weightsFingerprint(base) }),
  };
  await writeDirectoryAtomically(
    directory,
    async (temporary) => {
      await writeFile(join(temporary, configName), `${JSON.stringify(json, null, 2)}\n`);
      await writeSafetensors(join(temporary, weightsName), parameters, { metadata, ...(dtype && { dtype }) });
    },
    { marker: configName },
  );
}

/** Fields of adapter_config.json that are read, or that do not matter once an adapter is trained. */
const harmlessFields = new Set([
  'r', 'lora_alpha', 'use_rslora', 'target_modules', 'base_model_name_or_path', 'peft_version', 'task_type', 'auto_mapping',
  'revision', 'inference_mode', 'exclude_modules', 'lora_dropout', 'layers_pattern', 'megatron_core', 'eva_config',
  'qalora_group_size', 'ensure_weight_tying',
]); // prettier-ignore

/** Fields with several values of which only these are implemented. Of any other field, only empty and false. */
const acceptedValues: Record<string, unknown[]> = {
  peft_type: ['LORA'],
  bias: ['none'],
  init_lora_weights: [true, 'gaussian', 'eva', 'orthogonal'], // others (PiSSA, OLoRA, LoftQ, …) change the base weights
};

/**
 * Reads an adapter and checks that it fits `base`: every tensor's name and shape, and the fingerprint of the weights where the adapter has one.
 * `lora_dropout` is ignored: adapters run and train without dropout.
 * @throws naming file and key: unsupported PEFT feature, missing, unexpected or misshapen tensor, another base
 */
export async function loadAdapterDirectory(directory: string, base: Model): Promise<LoraAdapter> {
  const source = join(directory, configName);
  const json = (await readJson(source, `an adapter directory holds it and ${weightsName}`)) as Record<string, unknown>;
  for (const [name, value] of Object.entries(json)) {
    if (harmlessFields.has(name) || isEmpty(value) || acceptedValues[name]?.includes(value)) continue;
    throw new Error(`${source}: "${name}" is ${JSON.stringify(value)}, which is not implemented`);
  }
  const file = await openSafetensors(join(directory, weightsName));
  try {
    const { base_fingerprint: expected } = file.metadata;
    if (expected !== undefined && expected !== weightsFingerprint(base.parameters)) {
      throw new Error(
        `${directory}: the adapter was trained on other base weights (${json.base_model_name_or_path || 'unnamed'}); load it over those`,
      );
    }
    const config: LoraConfig = {
      rank: positive(json, 'r', source),
      alpha: positive(json, 'lora_alpha', source),
      targets: targetsOf([...file.entries.keys()]),
      rsLora: json.use_rslora === true,
    };
    const shapes = loraShapes(base.config, config);
    const unexpected = [...file.entries.keys()].find((name) => !shapes[name]);
    if (unexpected)
      throw new Error(
        `${file.path}: tensor "${unexpected}" belongs to no layer of this base model; load the adapter over its own base`,
      );
    const parameters: HostParameters = {};
    for (const [name, shape] of Object.entries(shapes)) {
      const found = file.entries.get(name)?.shape;
      if (found?.join() !== shape.join()) {
        throw new Error(
          `${file.path}: tensor "${name}" ${found ? `has shape [${found.join(', ')}]` : 'is missing'}, this base model and rank ${config.rank} ask for [${shape.join(', ')}]; load the adapter over its own base`,
        );
      }
      parameters[name] = requireFinite(await file.read(name), name, file.path);
    }
    return { config, parameters };
  } finally {
    await file.close();
  }
}

/** `target_modules` may be a list, a pattern or `all-linear`; the tensors say what it came to. */
function targetsOf(names: string[]): LoraTarget[] {
  const targets = names
    .map((name) => /\.([a-z]+_proj)\.lora_A\.weight$/.exec(name)?.[1])
    .filter((target) => target !== undefined);
  return [...new Set(targets)] as LoraTarget[];
}

function isEmpty(value: unknown): boolean {
  return !value || (typeof value === 'object' && Object.keys(value).length === 0);
}

function positive(json: Record<string, unknown>, name: string, source: string): number {
  const value = json[name];
  if (typeof value !== 'number' || !(value > 0)) {
    throw new Error(`${source}: "${name}" is ${JSON.stringify(value) ?? 'missing'}, wanted a positive number`);
  }
  return value;
}

/** SHA-256 over names, shapes and up to 256 evenly spaced numbers of each tensor. */
export function weightsFingerprint(parameters: HostParameters): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(parameters).toSorted()) {
    const { data, shape } = parameters[name] as HostParameters[string];
    const stride = Math.max(1, Math.floor(data.length / 256));
    const sample = Float32Array.from({ length: Math.min(256, data.length) }, (_, i) => data[i * stride] as number);
    hash.update(`${name}[${shape.join()}]`).update(new Uint8Array(sample.buffer));
  }
  return hash.digest('hex');
}
