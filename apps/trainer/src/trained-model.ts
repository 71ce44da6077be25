import type { ModelLocation } from '@tapo/policy';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from './cli/command.js';
import { findModel } from './find-model.js';
import { openRunDirectory, readJson } from './run-directory.js';

/** A model that training left behind, or one that exists anyway. */
export interface TrainedModel {
  /** all weights; with an adapter, its base */
  model: ModelLocation;
  /** how users name `model`: what an exported adapter says it belongs to */
  modelName: string;
  /** directory in PEFT's layout */
  adapter?: string;
  /** in words, for the record: `checkpoint 40 of runs/first` */
  origin: string;
  /** whose tokenizer files and other config.json fields go along: the model that training started from */
  companions: ModelLocation;
}

/**
 * What `source` stands for: a run directory (its newest checkpoint), a checkpoint, an adapter in PEFT's layout, or a model.
 * @param base the model under an adapter, where neither the run nor the adapter says
 * @throws UsageError when there is no such thing, or the base is not known
 */
export async function findTrainedModel(source: string, base?: string): Promise<TrainedModel> {
  if (existsSync(join(source, 'checkpoints'))) {
    const checkpoint = await openRunDirectory(source).latestCheckpoint();
    if (checkpoint === undefined) {
      throw new UsageError(
        `${source} has no checkpoint yet`,
        'go on with the run (tapo train --resume), or name its model',
      );
    }
    return findCheckpoint(checkpoint.directory, base);
  }
  if (existsSync(join(source, 'learner'))) return findCheckpoint(source, base);
  if (existsSync(join(source, 'adapter_config.json'))) {
    const { base_model_name_or_path: named } = (await readJson(join(source, 'adapter_config.json'))) as {
      base_model_name_or_path?: unknown;
    };
    const modelName = base ?? (typeof named === 'string' ? named : '');
    if (modelName === '') {
      throw new UsageError(`${source}: adapter_config.json names no base model`, 'give it with --base MODEL');
    }
    const model = await findModel(modelName).catch((error: UsageError) => {
      if (base !== undefined) throw error;
      throw new UsageError(
        `${source}: its base, base_model_name_or_path of adapter_config.json, is not here: ${error.message}`,
        'correct it there, or give it to tapo export with --base MODEL',
        { cause: error },
      );
    });
    return { model, modelName, adapter: source, origin: `adapter ${source}`, companions: model };
  }
  if (base !== undefined) throw new UsageError(`--base goes with an adapter, and ${source} is none`, 'leave it out');
  const model = await findModel(source);
  return { model, modelName: source, origin: source, companions: model };
}

/** `RUN/checkpoints/step-N`: all weights, or an adapter over the run's model. */
async function findCheckpoint(directory: string, base: string | undefined): Promise<TrainedModel> {
  const run = dirname(dirname(resolve(directory)));
  const [, step] = /^step-(\d+)$/.exec(basename(resolve(directory))) ?? [];
  const origin = step === undefined ? directory : `checkpoint ${step} of ${run}`;
  const started = base ?? (await modelOfRun(run));
  const path = join(directory, 'learner', 'model');
  if (existsSync(path)) {
    const model: ModelLocation = { kind: 'directory', path };
    return { model, modelName: path, origin, companions: await companionsOf(model, started) };
  }
  const adapter = join(directory, 'learner', 'adapter');
  if (!existsSync(adapter)) {
    throw new UsageError(
      `${directory} holds neither learner/model nor learner/adapter`,
      'a remote engine keeps its weights on the server: export them there',
    );
  }
  if (started === undefined) {
    throw new UsageError(
      `${directory} holds an adapter, and no run says over which model`,
      'give it with --base MODEL',
    );
  }
  const model = await findModel(started);
  return { model, modelName: started, adapter, origin, companions: model };
}

/** A checkpoint brings its tokenizer; config.json of the model it started from, if that is still here, has more fields. */
async function companionsOf(model: ModelLocation, started: string | undefined): Promise<ModelLocation> {
  if (started === undefined || !existsSync(started)) return model;
  const location = await findModel(started);
  return location.kind === 'directory' ? location : model;
}

/** `model` of the run's config. */
async function modelOfRun(run: string): Promise<string | undefined> {
  const text = await readFile(join(run, 'config.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const { model } = JSON.parse(text) as { model?: unknown };
  return typeof model === 'string' ? model : undefined;
}
