import { hashSeed } from '@tapo/core';

export interface GroupPosition {
  /** training step, from 1 */
  step: number;
  /** draw of dynamic sampling within the step, from 0 */
  round: number;
  /** group of the draw, from 0 */
  index: number;
}

/** Seed of a group: rollout i of it samples with this + i. A function of where it stands, so a resumed run repeats it. */
export function groupSeed(runSeed: number, { step, round, index }: GroupPosition): number {
  return hashSeed(runSeed, 'rollout', step, round, index) % 2 ** 32;
}

/** The seed a trajectory of a run was sampled with, from its id `step-S/R-I/i`; undefined for other ids. */
export function trajectorySeed(runSeed: number, id: string): number | undefined {
  const position = /^step-(\d+)\/(\d+)-(\d+)\/(\d+)$/.exec(id);
  if (position === null) return undefined;
  const [step = 0, round = 0, index = 0, member = 0] = position.slice(1).map(Number);
  return groupSeed(runSeed, { step, round, index }) + member;
}
