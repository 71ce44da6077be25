import type { Trajectory } from '@tapo/core';
import { problemSource } from '@tapo/data';
import type { Problem } from '@tapo/data';
import type { TextSegment, Tokenizer } from '@tapo/rollout';
import { textSegments } from '@tapo/rollout';
import type { Judgement, JudgedRolloutGroup, TrainedGroup } from './judged-group.js';
import type { UpdateResult } from './step-metrics.js';

/** One line of `trajectories/step-N.jsonl`. Arrays are as long as `tokens`, 0 where nothing was sampled. */
export interface TrajectoryRecord extends Trajectory, Judgement {
  question: string;
  source: string;
  dataSource: string;
  targets: string[];
  prompt: string;
  /** the text after the prompt, cut where policy and runtime take turns */
  segments: TextSegment[];
  /** false: sampled in this step, but dropped or kept for the next one */
  trained: boolean;
  advantage?: number;
  /** training forward pass before the step's first update */
  oldLogprobs?: number[];
  /** under the weights at which this row's gradient was taken */
  logprobs?: number[];
}

export interface TrajectoryRecordsOptions {
  drawn: readonly JudgedRolloutGroup[];
  trained: readonly TrainedGroup[];
  updates: readonly UpdateResult[];
  tokenizer: Tokenizer;
}

/** Everything sampled or trained on in a step: groups in the order of drawing, carried-over ones first. */
export function trajectoryRecords({
  drawn,
  trained,
  updates,
  tokenizer,
}: TrajectoryRecordsOptions): TrajectoryRecord[] {
  const columns = updateColumns(updates);
  const advantages = new Map(
    trained.flatMap(({ members }) => members.map(({ trajectory, advantage }) => [trajectory.id, advantage] as const)),
  );
  const drawnIds = new Set(drawn.flatMap(({ members }) => members.map(({ trajectory }) => trajectory.id)));
  const carried = trained.filter(({ members }) => members.some(({ trajectory }) => !drawnIds.has(trajectory.id)));
  return [...carried, ...drawn].flatMap(({ problem, members }) =>
    members.map(({ trajectory, judgement }) => {
      const advantage = advantages.get(trajectory.id);
      return {
        ...baseRecord(problem, trajectory, judgement, tokenizer),
        trained: advantage !== undefined,
        ...(advantage === undefined ? {} : { advantage }),
        ...columns.get(trajectory.id),
      };
    }),
  );
}

/** The record of a trajectory outside of training, for example in an evaluation. */
export function baseRecord(
  problem: Problem,
  trajectory: Trajectory,
  judgement: Judgement,
  tokenizer: Tokenizer,
): TrajectoryRecord {
  return {
    ...trajectory,
    rolloutLogprobs: trajectory.rolloutLogprobs.map(shorten),
    question: problem.question,
    source: problemSource(problem),
    dataSource: problem.dataSource,
    targets: problem.targets,
    prompt: tokenizer.decode(trajectory.tokens.slice(0, trajectory.promptLength)),
    segments: textSegments(trajectory, tokenizer),
    ...judgement,
    trained: false,
  };
}

/** Batch rows are shifted by one: position t belongs to token t + 1. */
function updateColumns(updates: readonly UpdateResult[]) {
  const columns = new Map<string, { oldLogprobs: number[]; logprobs: number[] }>();
  for (const { members, batch, logprobs } of updates) {
    members.forEach(({ trajectory }, row) => {
      const column = (values: ArrayLike<number>) =>
        trajectory.tokens.map((_, token) =>
          trajectory.lossMask[token] === 1 ? shorten(values[row * batch.length + token - 1] as number) : 0,
        );
      columns.set(trajectory.id, { oldLogprobs: column(batch.oldLogprobs ?? []), logprobs: column(logprobs) });
    });
  }
  return columns;
}

/** Nine significant digits give a float32 back exactly. */
function shorten(value: number): number {
  return Number(value.toPrecision(9));
}
