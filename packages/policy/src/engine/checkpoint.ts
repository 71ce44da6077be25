/** A training state on disk: a model directory that any tool reads, and beside the weights what the optimizer keeps. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { loadModelDirectory, saveModelDirectory, writeDirectoryAtomically } from '../checkpoint-files.js';
import type { ModelConfig } from '../config.js';
import type { HostParameters } from '../parameters.js';
import { openSafetensors, writeSafetensors } from '../safetensors.js';
import type { ParameterStore } from './parameter-store.js';

const STATE = 'learner.json';
const MOMENTS = 'moments.safetensors';

/** Writes `model/` (config.json, model.safetensors), `moments.safetensors` and `learner.json`. Complete or absent. */
export async function saveCheckpoint(directory: string, store: ParameterStore, config: ModelConfig): Promise<void> {
  await writeDirectoryAtomically(
    directory,
    async (temporary) => {
      await saveModelDirectory(join(temporary, 'model'), { config, parameters: store.values });
      await writeSafetensors(join(temporary, MOMENTS), moments(store));
      await writeFile(join(temporary, STATE), `${JSON.stringify({ step: store.step })}\n`);
    },
    { marker: STATE },
  );
}

/**
 * Fills the store with what `saveCheckpoint` wrote, in place, to the bit.
 * @throws naming the file when something is missing or does not fit the model; the store is then unchanged
 */
export async function loadCheckpoint(directory: string, store: ParameterStore, config: ModelConfig): Promise<void> {
  const statePath = join(directory, STATE);
  const text = await readFile(statePath, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${statePath}: cannot read (${cause.code}); is ${directory} a checkpoint?`, { cause });
  });
  const { step } = JSON.parse(text) as { step?: unknown };
  if (!Number.isSafeInteger(step))
    throw new Error(`${statePath}: "step" is ${JSON.stringify(step)}, wanted a whole number`);
  const model = await loadModelDirectory(join(directory, 'model'));
  for (const name of store.names) {
    const found = model.parameters[name]?.shape.join();
    const wanted = store.entries[name]!.shape.join();
    if (found !== wanted) {
      throw new Error(
        `${directory}: parameter "${name}" is [${found ?? 'missing'}], this model's is [${wanted}]; the checkpoint belongs to another model (${config.architecture} of ${store.parameterCount} parameters here)`,
      );
    }
  }
  const file = await openSafetensors(join(directory, MOMENTS));
  const loaded: HostParameters = {};
  try {
    for (const name of Object.keys(moments(store))) loaded[name] = await file.read(name);
  } finally {
    await file.close();
  }
  for (const name of store.names) {
    const entry = store.entries[name]!;
    entry.value.set(model.parameters[name]!.data);
    entry.mean.set(loaded[`mean/${name}`]!.data);
    entry.variance.set(loaded[`variance/${name}`]!.data);
    entry.gradient.fill(0);
  }
  store.step = step as number;
  store.version++;
}

function moments(store: ParameterStore): HostParameters {
  const tensors: HostParameters = {};
  for (const name of store.names) {
    const { mean, variance, shape } = store.entries[name]!;
    tensors[`mean/${name}`] = { data: mean, shape, dtype: 'float32' };
    tensors[`variance/${name}`] = { data: variance, shape, dtype: 'float32' };
  }
  return tensors;
}
