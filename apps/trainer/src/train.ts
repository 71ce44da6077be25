import {
  addDraw,
  callEfficiency,
  collate,
  countSampled,
  dapoMetrics,
  groupAdvantages,
  missingGroups,
  startDynamicSampling,
  takeStep,
} from '@tapo/core';
import { createProblemStream } from '@tapo/data';
import type { Problem } from '@tapo/data';
import type { Tool } from '@tapo/tools';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.js';
import type { TrainingState } from './checkpoint.js';
import { lossOptions, overlongLimit, stepOptions } from './config/derived.js';
import type { ResolvedConfig } from './config/schema.js';
import type { Engine } from './engine.js';
import { countCalls, judgedGroup } from './judged-group.js';
import type { Judge, JudgedRolloutGroup, TrainedGroup } from './judged-group.js';
import type { Learner } from './learner.js';
import { groupSeed } from './rollout-seed.js';
import type { RunDirectory } from './run-directory.js';
import { stepMetrics } from './step-metrics.js';
import type { MiniBatch, StepMetrics, UpdateResult } from './step-metrics.js';
import { trajectoryRecords } from './trajectory-records.js';

export interface TrainOptions {
  engine: Engine;
  tools: readonly Tool[];
  problems: readonly Problem[];
  judge: Judge;
  run: RunDirectory;
  /** the policy that a KL penalty (`loss.klCoefficient`) is measured against */
  reference?: Pick<Learner, 'logprobs'> | undefined;
  /** go on from the run's newest checkpoint */
  resume?: boolean;
  /** asked after every step: true saves and returns */
  stopRequested?: () => boolean;
  /** called for each rollout of a group once the group is judged */
  onRollout?: () => void;
  /** awaited before the next step */
  onStep?: (metrics: StepMetrics) => void | Promise<void>;
  /** adds files to a checkpoint before it becomes visible */
  onCheckpoint?: (directory: string) => Promise<void>;
  warn?: (message: string) => void;
  /** interrupts at once, without saving */
  signal?: AbortSignal | undefined;
}

export interface TrainResult {
  /** steps done, those before a resume included */
  steps: number;
  /** false when `stopRequested` ended the run early */
  finished: boolean;
}

/**
 * The training loop of TAPO (arXiv 2510.07038). Nothing in it depends on the clock: the same config, seed and machine
 * give the same weights to the bit, also when the run is killed and resumed.
 */
export async function train(config: ResolvedConfig, options: TrainOptions): Promise<TrainResult> {
  const { engine, problems, run, resume = false, stopRequested = () => false, warn = () => {} } = options;
  const { policy, learner } = engine;
  const { seed } = config;

  const stream = createProblemStream(problems, { seed, balanced: config.data.balanced });
  let state: TrainingState = { step: 0, updates: 0, seed, stream: stream.state(), sampling: startDynamicSampling() };
  const checkpoint = resume ? await run.latestCheckpoint() : undefined;
  if (checkpoint) {
    state = await loadCheckpoint(checkpoint.directory, learner);
    stream.restore(state.stream);
  }
  if (resume) await run.rewindTo(state.step);

  let finished = state.step >= config.steps;
  while (!finished) {
    const step = state.step + 1;
    const started = performance.now();

    // problems → rollout groups → rewards, until enough groups have something to teach
    const { drawn, chosen } = await drawGroups(state, step, () => stream.draw(config.rollout.problemsPerStep));
    const sampled = performance.now();

    // rewards → advantages within each group → mini-batches, with log-probabilities from before the update
    const trained = chosen.groups.map(withAdvantages);
    const batches = await miniBatches(trained, step);
    const prepared = performance.now();

    // one update per mini-batch, then the sampler gets the new weights
    const updates: UpdateResult[] = [];
    for (const batch of batches) updates.push(await update(learner, batch, state.updates + updates.length + 1, config));
    await learner.syncSampler();
    const timing = { started, sampled, prepared, updated: performance.now() };

    // what happened, and a checkpoint from which exactly this can go on
    state = { step, updates: state.updates + updates.length, seed, stream: stream.state(), sampling: chosen.next };
    const metrics = stepMetrics(step, { drawn, chosen, updates, tokenizer: policy.tokenizer, timing });
    await run.writeTrajectories(step, trajectoryRecords({ drawn, trained, updates, tokenizer: policy.tokenizer }));
    await run.appendLine('metrics', metrics);
    finished = step >= config.steps;
    const stopping = stopRequested();
    if (finished || stopping || step % config.checkpoint.everySteps === 0) {
      await run.writeCheckpoint(step, config.checkpoint.keep, async (directory) => {
        await saveCheckpoint(directory, learner, state);
        await options.onCheckpoint?.(directory);
      });
    }
    await options.onStep?.(metrics);
    if (stopping) break;
  }
  return { steps: state.step, finished };

  /** Dynamic sampling: draws until the step is full or the draws are used up. */
  async function drawGroups({ sampling }: TrainingState, step: number, draw: () => Problem[]) {
    const limits = {
      groupsPerStep: config.rollout.problemsPerStep,
      maxDraws: config.dynamicSampling.maxDraws,
      filter: config.dynamicSampling.enabled,
    };
    const drawn: JudgedRolloutGroup[] = [];
    while (missingGroups(sampling, limits) > 0) {
      const round = sampling.draws;
      const rolling = draw().map((problem, index) =>
        judgedGroup(problem, {
          ...options,
          policy,
          config,
          id: `step-${step}/${round}-${index}`,
          seed: groupSeed(seed, { step, round, index }),
        }),
      );
      const groups = withoutFailures(await Promise.all(rolling), step);
      options.signal?.throwIfAborted();
      drawn.push(...groups);
      sampling = addDraw(sampling, groups, limits);
    }
    const chosen = takeStep(sampling, limits);
    if (chosen.unfiltered > 0) {
      warn(`step ${step}: ${chosen.unfiltered} groups without spread fill it up after ${chosen.draws} draws`);
    }
    return { drawn, chosen };
  }

  /** Groups in which the engine failed are reported and left out; when nothing else is left, the run ends. */
  function withoutFailures(groups: JudgedRolloutGroup[], step: number): JudgedRolloutGroup[] {
    const errorOf = ({ members }: JudgedRolloutGroup) =>
      members.find(({ trajectory }) => trajectory.stopReason === 'error')?.trajectory.error;
    const failed = groups.filter((group) => errorOf(group) !== undefined);
    const [first] = failed;
    if (first === undefined) return groups;
    const message = `step ${step}: the engine failed in ${failed.length} of ${groups.length} groups: ${errorOf(first)}`;
    if (failed.length === groups.length) throw new Error(message);
    warn(`${message}; they are left out`);
    return groups.filter((group) => !failed.includes(group));
  }

  function withAdvantages({ problem, members }: JudgedRolloutGroup): TrainedGroup {
    const rewards = members.map(({ judgement }) => judgement.reward);
    const advantages = callEfficiency(groupAdvantages(rewards, { estimator: config.loss.advantages }), {
      correct: members.map(({ judgement }) => judgement.accurate),
      calls: members.map(({ trajectory }) => countCalls(trajectory)),
      strength: config.loss.callEfficiency,
    });
    return { problem, members: members.map((member, i) => ({ ...member, advantage: advantages[i] as number })) };
  }

  async function miniBatches(groups: readonly TrainedGroup[], step: number): Promise<MiniBatch[]> {
    const batches: MiniBatch[] = [];
    const size = config.optimizer.problemsPerMiniBatch;
    for (let start = 0; start < groups.length; start += size) {
      const members = groups.slice(start, start + size).flatMap((group) => group.members);
      const batch = collate(
        members.map(({ trajectory, advantage }) => ({ ...trajectory, advantage })),
        {
          padId: policy.tokenizer.padTokenId,
          aggregation: config.loss.aggregation,
          normalizer: overlongLimit(config),
        },
      );
      if (countSampled(batch) > 0) batches.push({ members, batch });
      else warn(`step ${step}: a mini-batch without a sampled token is skipped`);
    }
    for (const { batch } of batches) {
      batch.oldLogprobs = (await learner.logprobs(batch)).logprobs;
      if (options.reference) batch.referenceLogprobs = (await options.reference.logprobs(batch)).logprobs;
    }
    return batches;
  }
}

/** Gradient of the DAPO loss over one mini-batch, and one step of AdamW. */
async function update(
  learner: Learner,
  { members, batch }: MiniBatch,
  count: number,
  config: ResolvedConfig,
): Promise<UpdateResult> {
  const { loss, logprobs, entropies } = await learner.forwardBackward(batch, { name: 'dapo', ...lossOptions(config) });
  const policyMetrics = dapoMetrics(batch, logprobs, { ...lossOptions(config), entropies });
  const { learningRate, ...adam } = stepOptions(config, count);
  const { gradientNorm } = await learner.optimizerStep({ learningRate, ...adam });
  return { members, batch, logprobs, loss, gradientNorm, learningRate, policyMetrics };
}
