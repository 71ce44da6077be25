import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandInput } from './cli/command.js';
import { textOption, UsageError } from './cli/command.js';
import { defaultConfigFile, loadConfig } from './config/load.js';
import type { ResolvedConfig } from './config/schema.js';
import { modelOfCheckpoint } from './model-files.js';
import { openRunDirectory } from './run-directory.js';

/**
 * The config for a command that uses a finished model: a run directory brings its own config and its newest checkpoint,
 * a model directory goes with the config file of the command line.
 */
export async function configForModel(input: CommandInput, model: string | undefined): Promise<ResolvedConfig> {
  const { overrides } = input;
  const file = textOption(input, 'config');
  if (model === undefined) {
    if ((file ?? overrides['model'] ?? defaultConfigFile()) === undefined) {
      throw new UsageError(
        `no model: none was named, and there is no tapo.config.ts in ${process.cwd()}`,
        'name a run, a model directory, a .gguf file or an id of the hub, or give --config FILE',
      );
    }
    return (await loadConfig({ file, overrides })).config;
  }
  const runConfig = join(model, 'config.json');
  const checkpoint = existsSync(join(model, 'checkpoints'))
    ? await openRunDirectory(model).latestCheckpoint()
    : undefined;
  if (checkpoint === undefined) return (await loadConfig({ file, overrides: { ...overrides, model } })).config;
  const trained = trainedPart(checkpoint.directory);
  return (await loadConfig({ file: file ?? runConfig, overrides: { ...overrides, ...trained } })).config;
}

/** A checkpoint holds all weights, or an adapter that belongs to the run's own model. */
function trainedPart(checkpoint: string): { model: string } | { adapter: string } | Record<string, never> {
  const model = modelOfCheckpoint(checkpoint);
  if (existsSync(model)) return { model };
  const adapter = join(checkpoint, 'learner', 'adapter');
  return existsSync(adapter) ? { adapter } : {};
}
