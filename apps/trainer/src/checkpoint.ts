import type { DynamicSamplingState } from '@tapo/core';
import type { Problem, ProblemStreamState } from '@tapo/data';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from './cli/command.js';
import type { Learner } from './learner.js';
import type { JudgedRolloutGroup } from './judged-group.js';

/** Everything beside the learner that the next step depends on. Plain JSON. */
export interface TrainingState {
  /** steps done */
  step: number;
  /** optimizer steps done: several per step */
  updates: number;
  /** all draws are keyed by (seed, step, draw, problem, rollout), so the seed is the generator's whole state */
  seed: number;
  stream: ProblemStreamState;
  /** informative groups that were not needed yet */
  sampling: DynamicSamplingState<JudgedRolloutGroup>;
  /** with overlap: problems drawn already for the steps to come, by step and draw; their rollouts start again */
  ahead?: Problem[][][];
  /** calls per problem of the first steps, which call inflation is measured against */
  firstCalls: readonly number[];
}

const version = 1;

/** Writes learner and state into a directory that is not yet visible under its final name. */
export async function saveCheckpoint(directory: string, learner: Learner, state: TrainingState): Promise<void> {
  await learner.save(join(directory, 'learner'));
  await writeFile(join(directory, 'state.json'), JSON.stringify({ version, ...state }));
}

/** Loads learner and state; the sampler is brought up to date. */
export async function loadCheckpoint(directory: string, learner: Learner): Promise<TrainingState> {
  const file = join(directory, 'state.json');
  const state = JSON.parse(await readFile(file, 'utf8')) as TrainingState & { version: number };
  if (state.version !== version) {
    throw new UsageError(`${file}: checkpoint version ${state.version}, this tapo reads version ${version}`);
  }
  await learner.load(join(directory, 'learner'));
  await learner.syncSampler();
  // checkpoints of before there was a watch on call inflation have none
  return { ...state, firstCalls: state.firstCalls ?? [] };
}
