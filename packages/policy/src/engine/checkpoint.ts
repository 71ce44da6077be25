/** A training state on disk: a model directory that any tool reads, and beside the weights what the optimizer keeps. */
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { loadAdapterDirectory, saveAdapterDirectory } from '../adapter-files.js';
import { loadModelDirectory, saveModelDirectory, writeDirectoryAtomically } from '../checkpoint-files.js';
import type { ModelConfig } from '../config.js';
import type { HostParameters } from '../parameters.js';
import { openSafetensors, writeSafetensors } from '../safetensors.js';
import type { ParameterStore } from './parameter-store.js';

const STATE = 'learner.json';
const MODEL = 'model';
const ADAPTER = 'adapter';
const MOMENTS = 'moments.safetensors';

/**
 * Writes `model/` (config.json, model.safetensors) or, where an adapter is trained, `adapter/` (PEFT's layout);
 * `moments.safetensors`; `learner.json`. Complete or absent.
 */
export async function saveCheckpoint(directory: string, store: ParameterStore, config: ModelConfig): Promise<void> {
  const { base, trained, lora, step } = store;
  await writeDirectoryAtomically(
    directory,
    async (temporary) => {
      if (lora) await saveAdapterDirectory(join(temporary, ADAPTER), { config: lora, parameters: trained }, { base });
      else await saveModelDirectory(join(temporary, MODEL), { config, parameters: trained });
      await writeSafetensors(join(temporary, MOMENTS), moments(store));
      await writeFile(join(temporary, STATE), `${JSON.stringify({ step })}\n`);
    },
    { marker: STATE },
  );
}

/**
 * Fills the store with what `saveCheckpoint` wrote, in place, to the bit.
 * @throws naming the file when something is missing or does not fit the model; the store is then unchanged
 */
export async function loadCheckpoint(directory: string, store: ParameterStore, config: ModelConfig): Promise<void> {
  const step = await readStep(join(directory, STATE));
  const kind = store.lora ? ADAPTER : MODEL;
  if (!(await readdir(directory)).includes(kind)) {
    throw new Error(
      `${directory}: it holds no ${kind}/; this engine trains ${store.lora ? 'an adapter' : 'all weights'}`,
    );
  }
  const { parameters } = store.lora
    ? await loadAdapterDirectory(join(directory, ADAPTER), { config, parameters: store.base })
    : await loadModelDirectory(join(directory, MODEL));
  for (const [name, { shape }] of Object.entries(store.trained)) {
    const found = parameters[name]?.shape;
    if (found?.join() === shape.join()) continue;
    throw new Error(
      `${directory}: parameter "${name}" is ${found ? `[${found.join(', ')}]` : 'missing'}, here it is [${shape.join(', ')}]: ` +
        `the checkpoint belongs to another model`,
    );
  }
  const loaded = await readMoments(join(directory, MOMENTS), store);
  for (const [name, { value, mean, variance, gradient }] of Object.entries(store.entries)) {
    value.set(parameters[name]!.data);
    mean.set(loaded[`mean/${name}`]!.data);
    variance.set(loaded[`variance/${name}`]!.data);
    gradient.fill(0);
  }
  store.step = step;
}

async function readStep(path: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${path}: cannot read (${cause.code}); a checkpoint has this file`, { cause });
  });
  const { step } = JSON.parse(text) as { step?: unknown };
  if (!Number.isSafeInteger(step)) throw new Error(`${path}: "step" is ${JSON.stringify(step)}, wanted a whole number`);
  return step as number;
}

async function readMoments(path: string, store: ParameterStore): Promise<HostParameters> {
  const file = await openSafetensors(path);
  try {
    const tensors: HostParameters = {};
    for (const [name, { shape }] of Object.entries(moments(store))) {
      const tensor = await file.read(name);
      if (tensor.shape.join() !== shape.join()) {
        throw new Error(`${path}: tensor "${name}" is [${tensor.shape.join(', ')}], wanted [${shape.join(', ')}]`);
      }
      tensors[name] = tensor;
    }
    return tensors;
  } finally {
    await file.close();
  }
}

function moments({ entries }: ParameterStore): HostParameters {
  const tensors: HostParameters = {};
  for (const [name, { mean, variance, shape }] of Object.entries(entries)) {
    tensors[`mean/${name}`] = { data: mean, shape, dtype: 'float32' };
    tensors[`variance/${name}`] = { data: variance, shape, dtype: 'float32' };
  }
  return tensors;
}
