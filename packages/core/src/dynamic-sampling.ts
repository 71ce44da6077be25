/** A group that can be judged: `acc` of each of its rollouts (1 right, 0 wrong, or a score). */
export interface JudgedGroup {
  accuracies: readonly number[];
}

/** Where dynamic sampling stands. Plain data: JSON if the groups are. */
export interface DynamicSamplingState<Group extends JudgedGroup> {
  /** informative groups waiting to be trained on, oldest first; what a step does not use carries over */
  kept: readonly Group[];
  /** groups of the present step without spread */
  rejected: readonly Group[];
  /** draws of the present step */
  draws: number;
}

export interface DynamicSamplingOptions {
  groupsPerStep: number;
  /** after this many draws the step is filled up with unfiltered groups */
  maxDraws?: number;
  /** false: every group counts as informative */
  filter?: boolean;
  /** false: a step with too few informative groups is smaller, instead of being filled up */
  fill?: boolean;
}

/** One step's groups, and how they came about. */
export interface DynamicSamplingStep<Group extends JudgedGroup> {
  groups: Group[];
  draws: number;
  /** groups without spread that were used because `maxDraws` was reached; say so when > 0 */
  unfiltered: number;
  /** groups without spread that were dropped */
  dropped: number;
  /** groups still missing although `maxDraws` was reached: the draws brought too few */
  missing: number;
  /** state for the next step */
  next: DynamicSamplingState<Group>;
}

/** State before the first step. */
export function startDynamicSampling<Group extends JudgedGroup>(): DynamicSamplingState<Group> {
  return { kept: [], rejected: [], draws: 0 };
}

/** True if the group's `acc` has spread, so that its advantages are not all zero. A group of one always counts. */
export function isInformative({ accuracies }: JudgedGroup): boolean {
  return accuracies.length === 1 || accuracies.some((accuracy) => accuracy !== accuracies[0]);
}

/** Groups to draw before the step is full; 0 when it is, or when `maxDraws` is reached: then `takeStep`. */
export function missingGroups<Group extends JudgedGroup>(
  state: DynamicSamplingState<Group>,
  { groupsPerStep, maxDraws = 10 }: DynamicSamplingOptions,
): number {
  return state.draws >= maxDraws ? 0 : Math.max(0, groupsPerStep - state.kept.length);
}

/** The state after one more draw. */
export function addDraw<Group extends JudgedGroup>(
  state: DynamicSamplingState<Group>,
  groups: readonly Group[],
  { filter = true }: Pick<DynamicSamplingOptions, 'filter'> = {},
): DynamicSamplingState<Group> {
  const informative = (group: Group): boolean => !filter || isInformative(group);
  return {
    kept: [...state.kept, ...groups.filter(informative)],
    rejected: [...state.rejected, ...groups.filter((group) => !informative(group))],
    draws: state.draws + 1,
  };
}

/**
 * Takes one step's groups once `missingGroups` is 0. Surplus informative groups stay for the next step (their old
 * log-probabilities are computed anew then, by the training forward pass).
 * Source: DAPO's dynamic sampling, https://arxiv.org/abs/2503.14476 §3.2.
 *
 * @throws if groups are missing and draws are left
 */
export function takeStep<Group extends JudgedGroup>(
  state: DynamicSamplingState<Group>,
  options: DynamicSamplingOptions,
): DynamicSamplingStep<Group> {
  const missing = missingGroups(state, options);
  if (missing > 0) throw new Error(`takeStep: ${missing} groups are missing and draws are left; addDraw first.`);
  const informative = state.kept.slice(0, options.groupsPerStep);
  const { fill = true, groupsPerStep } = options;
  const unfiltered = fill ? state.rejected.slice(0, groupsPerStep - informative.length) : [];
  const groups = [...informative, ...unfiltered];
  return {
    groups,
    draws: state.draws,
    unfiltered: unfiltered.length,
    dropped: state.rejected.length - unfiltered.length,
    missing: options.groupsPerStep - groups.length,
    next: { kept: state.kept.slice(informative.length), rejected: [], draws: 0 },
  };
}
