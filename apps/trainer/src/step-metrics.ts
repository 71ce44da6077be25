import type { Batch, DapoMetrics, DynamicSamplingStep, ToolCall } from '@tapo/core';
import { sampledLength } from '@tapo/core';
import { problemSource } from '@tapo/data';
import { watchCounters } from '@tapo/eval';
import { textSegments } from '@tapo/rollout';
import type { Tokenizer } from '@tapo/rollout';
import { countCalls } from './judged-group.js';
import type { JudgedRolloutGroup, JudgedTrajectory, TrainedGroup } from './judged-group.js';
import { usageMetrics } from './tools/tool-usage.js';
import type { ToolUsage } from './tools/tool-usage.js';

/** The rows of one optimizer step. Row i of `batch` is `members[i]`. */
export interface MiniBatch {
  members: TrainedGroup['members'];
  batch: Batch;
}

export interface UpdateResult extends MiniBatch {
  /** log-probabilities under the weights that the gradient was taken at, row major */
  logprobs: Float32Array;
  loss: number;
  gradientNorm: number;
  learningRate: number;
  policyMetrics: DapoMetrics;
}

export interface StepParts {
  /** every group sampled in this step, used or not */
  drawn: readonly JudgedRolloutGroup[];
  chosen: DynamicSamplingStep<JudgedRolloutGroup>;
  /** groups dropped because their weights were too old */
  stale: number;
  updates: readonly UpdateResult[];
  tokenizer: Pick<Tokenizer, 'decode'>;
  /** calls per problem of the first steps */
  firstCalls: readonly number[];
  /** of the tools, before and after the step */
  usage: readonly [ToolUsage, ToolUsage];
  /** `performance.now()` at the ends of the phases */
  timing: { started: number; sampled: number; prepared: number; updated: number };
  /** rollouts and learning went on at the same time */
  overlapped: boolean;
}

/** One line of `metrics.jsonl`; the keys are explained in docs/run-directory.md. */
export interface StepMetrics {
  step: number;
  [key: string]: number | Record<string, number>;
}

/** Rewards, calls and lengths are means over everything sampled in the step, groups without spread included. */
export function stepMetrics(
  step: number,
  { drawn, chosen, stale, updates, tokenizer, firstCalls, usage, timing, overlapped }: StepParts,
): StepMetrics {
  const members = drawn.flatMap((group) => group.members);
  const sampledTokens = members.map(({ trajectory }) => sampledLength(trajectory));
  const observedTokens = members.map(
    ({ trajectory }, i) => trajectory.tokens.length - trajectory.promptLength - (sampledTokens[i] as number),
  );
  const ages = chosen.groups.map(({ policyStep }) => step - 1 - policyStep);
  const seconds = (from: number, to: number) => (to - from) / 1000;
  return {
    step,
    ...rewardMetrics(members),
    accuracyBySource: bySource(drawn, ({ judgement }) => Number(judgement.accurate)),
    ...callMetrics(drawn),
    ...usageMetrics(...usage),
    watch: { ...watchMetrics(members, tokenizer), ...callInflation(callsPerProblem(drawn), firstCalls) },
    sampledTokens: mean(sampledTokens),
    sampledTokensMax: Math.max(0, ...sampledTokens),
    observedTokens: mean(observedTokens),
    turns: mean(members.map(({ trajectory }) => trajectory.turns.length)),
    stopReasons: shares(members.map(({ trajectory }) => trajectory.stopReason)),
    groups: {
      drawn: drawn.length,
      trained: chosen.groups.length,
      unfiltered: chosen.unfiltered,
      dropped: chosen.dropped,
      carried: chosen.next.kept.length,
      draws: chosen.draws,
      stale,
    },
    staleness: { mean: mean(ages), max: Math.max(0, ...ages) },
    ...updateMetrics(updates),
    seconds: {
      sample: seconds(timing.started, timing.sampled),
      oldLogprobs: seconds(timing.sampled, timing.prepared),
      update: seconds(timing.prepared, timing.updated),
      total: seconds(timing.started, timing.updated),
    },
    sampledTokensPerSecond: sum(sampledTokens) / seconds(timing.started, overlapped ? timing.updated : timing.sampled),
    trainedTokensPerSecond:
      sum(updates.flatMap(({ batch }) => [...batch.lengths])) / seconds(timing.sampled, timing.updated),
    residentBytes: process.memoryUsage.rss(),
  };
}

function rewardMetrics(members: readonly JudgedTrajectory[]) {
  const rewards = members.map(({ judgement }) => judgement.reward);
  const average = mean(rewards);
  return {
    reward: average,
    rewardStd: Math.sqrt(mean(rewards.map((reward) => (reward - average) ** 2))),
    rewardMin: Math.min(...rewards),
    rewardMax: Math.max(...rewards),
    accuracy: mean(members.map(({ judgement }) => Number(judgement.accurate))),
    formatRate: mean(members.map(({ judgement }) => Number(judgement.wellFormed))),
  };
}

/** Calls that ran or were refused, per rollout. */
function callMetrics(groups: readonly JudgedRolloutGroup[]) {
  const members = groups.flatMap((group) => group.members);
  const calls = members.flatMap(callsOf);
  const perRollout = (count: number) => count / Math.max(1, members.length);
  const names = [...new Set(calls.map((call) => call.tool))].toSorted();
  const byTool = (value: (ofTool: ToolCall[]) => number): Record<string, number> =>
    Object.fromEntries(names.map((name) => [name, value(calls.filter(({ tool }) => tool === name))]));
  return {
    callsPerProblem: perRollout(calls.length),
    callsByTool: byTool((ofTool) => perRollout(ofTool.length)),
    callsBySource: bySource(groups, (member) => callsOf(member).length),
    callStatus: shares(calls.map((call) => call.status)),
    callErrorsByTool: byTool((ofTool) => mean(ofTool.map(({ status }) => Number(status !== 'ok')))),
    callMs: mean(calls.map((call) => call.durationMs)),
    callMsByTool: byTool((ofTool) => mean(ofTool.map((call) => call.durationMs))),
    corrections: perRollout(
      members.flatMap(({ trajectory }) => trajectory.turns).filter((turn) => turn.corrected).length,
    ),
  };
}

/** Signs of reward hacking, per rollout. */
function watchMetrics(members: readonly JudgedTrajectory[], tokenizer: Pick<Tokenizer, 'decode'>) {
  const {
    rollouts,
    calls: _,
    ...counts
  } = watchCounters(
    members.map(({ trajectory }) => ({
      prompt: tokenizer.decode(trajectory.tokens.slice(0, trajectory.promptLength)),
      segments: textSegments(trajectory, tokenizer),
      turns: trajectory.turns,
    })),
  );
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count / Math.max(1, rollouts)]));
}

/** Tool calls per rollout of a step. */
export function callsPerProblem(groups: readonly JudgedRolloutGroup[]): number {
  return mean(groups.flatMap(({ members }) => members.map(({ trajectory }) => countCalls(trajectory))));
}

/** Calls per problem over those of the run's first steps; nothing while there is nothing to compare with. */
function callInflation(calls: number, firstCalls: readonly number[]): { callInflation?: number } {
  const baseline = mean(firstCalls);
  return baseline > 0 ? { callInflation: calls / baseline } : {};
}

/** Means over the updates, by sampled tokens; nothing when the step was skipped. */
function updateMetrics(updates: readonly UpdateResult[]): Record<string, number> {
  const last = updates.at(-1);
  if (last === undefined) return { updates: 0 };
  const tokens = sum(updates.map(({ policyMetrics }) => policyMetrics.tokens));
  const byTokens = (key: keyof DapoMetrics) =>
    sum(updates.map(({ policyMetrics }) => (policyMetrics[key] ?? 0) * policyMetrics.tokens)) / tokens;
  const largest = (key: keyof DapoMetrics) => Math.max(...updates.map(({ policyMetrics }) => policyMetrics[key] ?? 0));
  return {
    updates: updates.length,
    trainedTokens: tokens,
    loss: mean(updates.map(({ loss }) => loss)),
    // a remote server may not say
    ...(Number.isNaN(last.gradientNorm) ? {} : { gradientNorm: mean(updates.map((result) => result.gradientNorm)) }),
    learningRate: last.learningRate,
    ...(last.policyMetrics.entropy === undefined ? {} : { entropy: byTokens('entropy') }),
    ...(last.policyMetrics.referenceKl === undefined ? {} : { referenceKl: byTokens('referenceKl') }),
    clipFraction: byTokens('clipFraction'),
    lowerClipFraction: byTokens('lowerClipFraction'),
    approxKl: byTokens('approxKl'),
    ratioMax: largest('ratioMax'),
    mismatchMean: byTokens('mismatchMean'),
    mismatchMax: largest('mismatchMax'),
    mismatchKl: byTokens('mismatchKl'),
  };
}

function callsOf({ trajectory }: JudgedTrajectory) {
  return trajectory.turns.flatMap((turn) => turn.calls);
}

function bySource(
  groups: readonly JudgedRolloutGroup[],
  value: (member: JudgedTrajectory) => number,
): Record<string, number> {
  const values: Record<string, number[]> = {};
  for (const { problem, members } of groups) (values[problemSource(problem)] ??= []).push(...members.map(value));
  return Object.fromEntries(
    Object.keys(values)
      .toSorted()
      .map((source) => [source, mean(values[source] as number[])]),
  );
}

function shares(labels: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return Object.fromEntries(
    Object.keys(counts)
      .toSorted()
      .map((label) => [label, (counts[label] as number) / labels.length]),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}
