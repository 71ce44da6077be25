import type { Trajectory } from '@tapo/core';
import type { RolloutOptions } from './rollout-options.js';
import { rollout } from './rollout.js';

export interface RolloutGroupOptions extends RolloutOptions {
  groupSize: number;
}

/**
 * G rollouts of one problem, at once and independent of each other; the result is in the order of their indices.
 * Rollout i has the id `<id>/<i>` and the seed `seed + i`.
 */
export async function rolloutGroup(
  promptTokens: readonly number[],
  options: RolloutGroupOptions,
): Promise<Trajectory[]> {
  const { groupSize, id = options.problemId ?? 'group', seed = 0 } = options;
  if (!Number.isInteger(groupSize) || groupSize < 1) {
    throw new RangeError(`groupSize: got ${groupSize}, wanted a whole number of at least 1`);
  }
  const indices = Array.from({ length: groupSize }, (_, index) => index);
  return Promise.all(
    indices.map((index) => rollout(promptTokens, { ...options, id: `${id}/${index}`, seed: seed + index })),
  );
}
