import { closest } from 'fastest-levenshtein';
import { textOption, UsageError } from '../cli/command.js';
import type { CommandInput, OptionSpec } from '../cli/command.js';
import { softTrackers } from './tracker.js';
import type { TrackedRun, Tracker, Trackers, TrackersOptions } from './tracker.js';

/** Trackers by the name used on the command line. */
const openers: Record<string, (run: TrackedRun) => Promise<Tracker>> = {
  async tensorboard(run) {
    const { createTensorBoard } = await import('./tensorboard.js');
    return createTensorBoard(run);
  },
  async wandb(run) {
    const { createWandb } = await import('./wandb.js');
    const { WANDB_PROJECT: project, WANDB_ENTITY: entity } = process.env;
    return createWandb(run, { ...(project !== undefined && { project }), entity });
  },
  async mlflow(run) {
    const { createMlflow } = await import('./mlflow.js');
    const { MLFLOW_TRACKING_URI: url, MLFLOW_EXPERIMENT_NAME: experiment, MLFLOW_TRACKING_TOKEN: token } = process.env;
    if (url === undefined) throw new Error('MLFLOW_TRACKING_URI is not set; give the address of the tracking server');
    return createMlflow(run, { url, token, ...(experiment !== undefined && { experiment }) });
  },
};

const known: readonly string[] = Object.keys(openers);

/** `--track NAMES` of every command that trains. */
export const trackOption: OptionSpec = {
  type: 'string',
  value: 'NAMES',
  description: 'also log to tensorboard, wandb, mlflow (comma-separated)',
};

export function trackerNames(input: CommandInput): string[] {
  return textOption(input, 'track')?.split(',') ?? [];
}

/** Opens trackers by name. One that cannot be opened is reported and left out: training never stops for a tracker. */
export async function openTrackers(
  names: readonly string[],
  run: TrackedRun,
  options: TrackersOptions = {},
): Promise<Trackers> {
  const unknown = names.find((name) => !(name in openers));
  if (unknown !== undefined) {
    throw new UsageError(
      `unknown tracker "${unknown}"; did you mean ${closest(unknown, [...known])}?`,
      `known: ${known.join(', ')}`,
    );
  }
  const opened: Tracker[] = [];
  for (const name of names) {
    try {
      opened.push(await (openers[name] as (of: TrackedRun) => Promise<Tracker>)(run));
    } catch (error) {
      options.warn?.(`${name}: ${(error as Error).message}; the run goes on without it`);
    }
  }
  return softTrackers(opened, options);
}
