import { callEfficiency, collate, countSampled, dapoMetrics, groupAdvantages, startDynamicSampling } from '@tapo/core';
import { createProblemStream } from '@tapo/data';
import type { Problem } from '@tapo/data';
import type { Tool } from '@tapo/tools';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.js';
import type { TrainingState } from './checkpoint.js';
import { lossOptions, stepOptions } from './config/derived.js';
import { overlongLimit } from './config/overlong-limit.js';
import type { ResolvedConfig } from './config/schema.js';
import { createGroupDrawer } from './draw-groups.js';
import type { Engine } from './engine.js';
import { createGate, limitSampling } from './gate.js';
import { countCalls } from './judged-group.js';
import type { Judge, JudgedRolloutGroup, TrainedGroup } from './judged-group.js';
import type { Learner } from './learner.js';
import type { RunDirectory } from './run-directory.js';
import { callsPerProblem, stepMetrics } from './step-metrics.js';
import type { MiniBatch, StepMetrics, UpdateResult } from './step-metrics.js';
import { noUsage } from './tools/tool-usage.js';
import type { ToolUsage } from './tools/tool-usage.js';
import { trajectoryRecords } from './trajectory-records.js';

/** whose calls are the measure of call inflation */
const FIRST_STEPS = 10;

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
  /** fires when the tools' budget is used up: the step under way is dropped, the state before it saved, and the run ends */
  budget?: AbortSignal | undefined;
  /** of the tools so far, for the metrics */
  usage?: () => ToolUsage;
}

export interface TrainResult {
  /** steps done, those before a resume included */
  steps: number;
  /** false when `stopRequested` or the budget ended the run early */
  finished: boolean;
  /** why the budget ended it */
  reason?: string;
}

/**
 * The training loop of TAPO (arXiv 2510.07038). Nothing in it depends on the clock: the same config, seed and machine
 * give the same weights to the bit, also when the run is killed and resumed.
 *
 * With `overlap.steps` k > 0 the rollouts of the next k steps are under way while a step learns. Then the clock decides
 * which weights sample a token; every problem still comes once and in order, and no group is staler than the bound.
 */
export async function train(config: ResolvedConfig, options: TrainOptions): Promise<TrainResult> {
  const { engine, problems, run, resume = false, stopRequested = () => false, warn = () => {} } = options;
  const { budget, usage = () => noUsage } = options;
  const { learner } = engine;
  const { seed, concurrency } = config;
  const policy = limitSampling(engine.policy, concurrency.sampling);

  const stream = createProblemStream(problems, { seed, balanced: config.data.balanced });
  let state: TrainingState = {
    step: 0,
    updates: 0,
    seed,
    stream: stream.state(),
    sampling: startDynamicSampling(),
    firstCalls: [],
  };
  const checkpoint = resume ? await run.latestCheckpoint() : undefined;
  if (checkpoint) {
    state = await loadCheckpoint(checkpoint.directory, learner);
    stream.restore(state.stream);
  }
  if (resume) await run.rewindTo(state.step);

  const draw = () => stream.draw(config.rollout.problemsPerStep);
  const drawer = createGroupDrawer({ ...options, config, policy, draw, interrupted: state.ahead, warn });
  try {
    let finished = state.step >= config.steps;
    while (!finished) {
      const step = state.step + 1;
      const started = performance.now();
      const usedBefore = usage();

      // problems → rollout groups → rewards, until enough groups have something to teach
      const groups = await drawer.groupsOf(step, state.sampling).catch(unlessBudgetIsUsedUp);
      if (groups === undefined) {
        // rollouts whose tools were refused teach nothing: the resumed run samples this step again
        await save();
        break;
      }
      const { drawn, chosen, stale } = groups;
      const sampled = performance.now();

      // rewards → advantages within each group → mini-batches, with log-probabilities from before the first update
      const trained = chosen.groups.map(withAdvantages);
      const batches = await miniBatches(trained, step);
      const prepared = performance.now();

      // one update per mini-batch, then the sampler gets the new weights
      const updates: UpdateResult[] = [];
      for (const batch of batches)
        updates.push(await update(learner, batch, state.updates + updates.length + 1, config));
      await learner.syncSampler();
      const timing = { started, sampled, prepared, updated: performance.now() };

      // what happened, and a checkpoint from which exactly this can go on
      const ahead = drawer.ahead();
      const firstCalls = step <= FIRST_STEPS ? [...state.firstCalls, callsPerProblem(drawn)] : state.firstCalls;
      state = {
        step,
        updates: state.updates + updates.length,
        seed,
        stream: stream.state(),
        sampling: chosen.next,
        firstCalls,
      };
      if (ahead.length > 0) state.ahead = ahead;
      const overlapped = config.overlap.steps > 0;
      const metrics = stepMetrics(step, {
        drawn,
        chosen,
        stale,
        updates,
        tokenizer: policy.tokenizer,
        firstCalls,
        usage: [usedBefore, usage()],
        timing,
        overlapped,
      });
      await run.writeTrajectories(step, trajectoryRecords({ drawn, trained, updates, tokenizer: policy.tokenizer }));
      await run.appendLine('metrics', metrics);
      finished = step >= config.steps;
      const stopping = stopRequested();
      if (finished || stopping || step % config.checkpoint.everySteps === 0) await save();
      await options.onStep?.(metrics);
      if (stopping) break;
    }
    const reason = !finished && budget?.aborted ? { reason: (budget.reason as Error).message } : {};
    return { steps: state.step, finished, ...reason };
  } finally {
    await drawer.close();
  }

  async function save(): Promise<void> {
    await run.writeCheckpoint(state.step, config.checkpoint.keep, async (directory) => {
      await saveCheckpoint(directory, learner, state);
      await options.onCheckpoint?.(directory);
    });
  }

  function unlessBudgetIsUsedUp(error: unknown): undefined {
    if (!budget?.aborted) throw error;
  }

  function withAdvantages({ problem, members, policyStep }: JudgedRolloutGroup): TrainedGroup {
    const rewards = members.map(({ judgement }) => judgement.reward);
    const advantages = callEfficiency(groupAdvantages(rewards, { estimator: config.loss.advantages }), {
      correct: members.map(({ judgement }) => judgement.accurate),
      calls: members.map(({ trajectory }) => countCalls(trajectory)),
      strength: config.loss.callEfficiency,
    });
    return {
      problem,
      policyStep,
      members: members.map((member, i) => ({ ...member, advantage: advantages[i] as number })),
    };
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
    const gate = createGate(concurrency.learning);
    const forward = batches.map(({ batch }, i) =>
      gate(async () => {
        if (config.loss.oldLogprobs === 'sampler') batch.oldLogprobs = batch.rolloutLogprobs;
        // the first update's own forward pass is before any update
        else if (i > 0) batch.oldLogprobs = (await learner.logprobs(batch)).logprobs;
        if (options.reference) batch.referenceLogprobs = (await options.reference.logprobs(batch)).logprobs;
      }),
    );
    await Promise.all(forward);
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
  batch.oldLogprobs ??= logprobs;
  const policyMetrics = dapoMetrics(batch, logprobs, { ...lossOptions(config), entropies });
  const { learningRate, ...adam } = stepOptions(config, count);
  const { gradientNorm } = await learner.optimizerStep({ learningRate, ...adam });
  return { members, batch, logprobs, loss, gradientNorm, learningRate, policyMetrics };
}
