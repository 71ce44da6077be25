import { addDraw, missingGroups, takeStep } from '@tapo/core';
import type { DynamicSamplingState, DynamicSamplingStep } from '@tapo/core';
import type { Problem } from '@tapo/data';
import type { Policy } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { setMaxListeners } from 'node:events';
import { stalenessLimit } from './config/derived.js';
import type { ResolvedConfig } from './config/schema.js';
import { createGate } from './gate.js';
import { judgedGroup } from './judged-group.js';
import type { Judge, JudgedRolloutGroup } from './judged-group.js';
import { groupSeed } from './rollout-seed.js';

type SamplingState = DynamicSamplingState<JudgedRolloutGroup>;

/** Every group sampled for one step, and those it trains on. */
export interface DrawnGroups {
  drawn: JudgedRolloutGroup[];
  chosen: DynamicSamplingStep<JudgedRolloutGroup>;
  /** groups left over from earlier steps that had become too old to train on */
  stale: number;
}

export interface GroupDrawerOptions {
  config: ResolvedConfig;
  policy: Policy;
  tools: readonly Tool[];
  judge: Judge;
  /** the next problems, in the order of the run */
  draw: () => Problem[];
  /** draws of an interrupted run that were under way for the steps after its checkpoint */
  interrupted?: readonly Problem[][][] | undefined;
  onRollout?: (() => void) | undefined;
  warn: (message: string) => void;
  signal?: AbortSignal | undefined;
  /** fires when the tools' budget is used up: `groupsOf` rejects */
  budget?: AbortSignal | undefined;
}

/** Samples the groups of each step, with overlap those of the next steps too. */
export interface GroupDrawer {
  /**
   * The groups of `step`; the steps are asked for one after the other. Before it waits it starts the rollouts of the
   * next `overlap.steps` steps, with the weights that the policy has now.
   */
  groupsOf(step: number, left: SamplingState): Promise<DrawnGroups>;
  /** problems drawn for the steps after the present one, by step and draw: what a checkpoint must remember */
  ahead(): Problem[][][];
  /** ends what is under way */
  close(): Promise<void>;
}

interface Drawing {
  draws: Problem[][];
  groups: Promise<DrawnGroups>;
}

/** With `overlap.steps` 0 nothing is started ahead, and the groups depend on weights, seed and step only. */
export function createGroupDrawer(options: GroupDrawerOptions): GroupDrawer {
  const { config, draw, interrupted = [], warn } = options;
  const { seed, overlap } = config;
  const toolGate = createGate(config.concurrency.tools);
  const oldest = stalenessLimit(config);
  const limits = {
    groupsPerStep: config.rollout.problemsPerStep,
    maxDraws: config.dynamicSampling.maxDraws,
    fill: config.dynamicSampling.fill,
    filter: config.dynamicSampling.enabled,
  };
  const closing = new AbortController();
  const others = [options.signal, options.budget].filter((other) => other !== undefined);
  const signal = others.length > 0 ? AbortSignal.any([...others, closing.signal]) : closing.signal;
  // every rollout under way listens, and Node warns of a leak from the eleventh on
  setMaxListeners(0, signal);
  /** of the present step and of those after it, in order */
  const drawings: Drawing[] = [];
  const repeated = [...interrupted];
  let policyStep = 0;

  async function rollOut(problems: readonly Problem[], step: number, round: number): Promise<JudgedRolloutGroup[]> {
    const rolling = problems.map((problem, index) =>
      judgedGroup(problem, {
        ...options,
        toolGate,
        signal,
        policyStep,
        id: `step-${step}/${round}-${index}`,
        seed: groupSeed(seed, { step, round, index }),
      }),
    );
    return withoutFailures(await Promise.all(rolling), step);
  }

  /** Dynamic sampling: draws until the step is full or the draws are used up. A step ahead draws once at once. */
  function start(step: number, before: Promise<SamplingState>, isAhead: boolean): Drawing {
    const again = [...(repeated.shift() ?? [])];
    const draws: Problem[][] = [];
    const nextDraw = (round: number): Promise<JudgedRolloutGroup[]> => {
      const problems = again.shift() ?? draw();
      draws.push(problems);
      return rollOut(problems, step, round);
    };
    let first = isAhead || again.length > 0 ? nextDraw(0) : undefined;
    first?.catch(() => {});

    async function fill(): Promise<DrawnGroups> {
      const drawn: JudgedRolloutGroup[] = [];
      const left = await before;
      const kept = left.kept.filter((group) => step - 1 - group.policyStep <= oldest);
      let sampling: SamplingState = { ...left, kept };
      while (first !== undefined || again.length > 0 || missingGroups(sampling, limits) > 0) {
        const groups = await (first ?? nextDraw(sampling.draws));
        first = undefined;
        signal.throwIfAborted();
        drawn.push(...groups);
        sampling = addDraw(sampling, groups, limits);
      }
      const chosen = takeStep(sampling, limits);
      if (chosen.unfiltered > 0) {
        warn(`step ${step}: ${chosen.unfiltered} groups without spread fill it up after ${chosen.draws} draws`);
      }
      return { drawn, chosen, stale: left.kept.length - kept.length };
    }
    const groups = fill();
    groups.catch(() => {});
    return { draws, groups };
  }

  /** Groups in which the engine failed are reported and left out; when nothing else is left, the run ends. */
  function withoutFailures(groups: JudgedRolloutGroup[], step: number): JudgedRolloutGroup[] {
    const errorOf = ({ members }: JudgedRolloutGroup) =>
      members.find(({ trajectory }) => trajectory.stopReason === 'error')?.trajectory.error;
    const trajectories = groups.flatMap(({ members }) => members.map(({ trajectory }) => trajectory));
    const unreleased = trajectories.filter(({ stopReason, error }) => stopReason !== 'error' && error !== undefined);
    if (unreleased[0]) warn(`step ${step}: in ${unreleased.length} rollouts ${unreleased[0].error}; they count`);
    const failed = groups.filter((group) => errorOf(group) !== undefined);
    const [first] = failed;
    if (first === undefined) return groups;
    const message = `step ${step}: the engine failed in ${failed.length} of ${groups.length} groups: ${errorOf(first)}`;
    if (failed.length === groups.length) throw new Error(message);
    warn(`${message}; they are left out`);
    return groups.filter((group) => !failed.includes(group));
  }

  return {
    async groupsOf(step, left) {
      policyStep = step - 1;
      const last = Math.max(step, Math.min(config.steps, step + overlap.steps));
      for (let next = step + drawings.length; next <= last; next++) {
        const previous = drawings.at(-1)?.groups.then(({ chosen }) => chosen.next);
        drawings.push(start(next, previous ?? Promise.resolve(left), next > step));
      }
      const { groups } = drawings[0] as Drawing;
      try {
        return await groups;
      } finally {
        drawings.shift();
      }
    },
    ahead: () => drawings.map(({ draws }) => [...draws]),
    async close() {
      closing.abort();
      await Promise.allSettled(drawings.map(({ groups }) => groups));
    },
  };
}
