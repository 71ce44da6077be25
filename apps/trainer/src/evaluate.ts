import { hashSeed } from '@tapo/core';
import { problemSource } from '@tapo/data';
import type { Problem } from '@tapo/data';
import { summarize } from '@tapo/eval';
import type { Summary } from '@tapo/eval';
import type { Policy } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import type { ResolvedConfig } from './config/schema.js';
import { createGate, limitSampling } from './gate.js';
import { judgedGroup } from './judged-group.js';
import type { Judge, JudgedRolloutGroup } from './judged-group.js';

export interface EvaluateOptions {
  config: ResolvedConfig;
  policy: Policy;
  tools: readonly Tool[];
  judge: Judge;
  /** 0 = greedy */
  temperature?: number;
  /** rollouts per problem */
  samples?: number;
  seed?: number;
  /** prefix of the trajectories' ids */
  label?: string;
  /** problems under way at once */
  concurrency?: number;
  onProblem?: (done: number) => void;
  signal?: AbortSignal | undefined;
}

export interface Evaluation {
  summary: Summary;
  /** in the order of the problems */
  groups: JudgedRolloutGroup[];
}

/** Rolls every problem out and sums up. Depends on (problems, seed, weights) only. */
export async function evaluate(problems: readonly Problem[], options: EvaluateOptions): Promise<Evaluation> {
  const { config, temperature = 0, samples = 1, seed = 0, label = 'eval', concurrency = 256, signal } = options;
  const policy = limitSampling(options.policy, config.concurrency.sampling);
  const toolGate = createGate(config.concurrency.tools);
  const groups: JudgedRolloutGroup[] = [];
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next < problems.length) {
      const index = next++;
      groups[index] = await judgedGroup(problems[index] as Problem, {
        ...options,
        policy,
        toolGate,
        config: { ...config, rollout: { ...config.rollout, temperature, groupSize: samples } },
        id: `${label}/${index}`,
        seed: hashSeed(seed, 'evaluate', index) % 2 ** 32,
      });
      signal?.throwIfAborted();
      options.onProblem?.(++done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, problems.length) }, worker));
  const failed = groups.flatMap(({ members }) => members).find(({ trajectory }) => trajectory.stopReason === 'error');
  if (failed) throw new Error(`the engine failed in the evaluation: ${failed.trajectory.error}`);
  const records = groups.flatMap(({ problem, members }) =>
    members.map(({ trajectory, judgement }) => ({
      ...judgement,
      problemId: problem.id,
      source: problemSource(problem),
      turns: trajectory.turns,
    })),
  );
  return { summary: summarize(records, { seed: 0 }), groups };
}
