import type { JudgedGroup, Trajectory } from '@tapo/core';
import type { Problem } from '@tapo/data';
import { rolloutGroup } from '@tapo/rollout';
import type { Policy } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import type { ResolvedConfig } from './config/schema.js';
import type { Gate } from './gate.js';
import { promptTokens, protocolOf } from './prompt.js';

/** What the scorer made of one trajectory. */
export interface Judgement {
  /** score plus penalties: what advantages are computed from */
  reward: number;
  /** the scorer's verdict: −1 for a format error, else 0 to 1 */
  score: number;
  /** score > 0.9 */
  accurate: boolean;
  wellFormed: boolean;
  /** the answer that was scored; null when there was none */
  answer: string | null;
}

/** Gives a trajectory its reward. */
export type Judge = (problem: Problem, trajectory: Trajectory) => Judgement | Promise<Judgement>;

export interface JudgedTrajectory {
  trajectory: Trajectory;
  judgement: Judgement;
}

/** All rollouts of one problem. Plain JSON: groups that wait for the next step go into checkpoints. */
export interface JudgedRolloutGroup extends JudgedGroup {
  problem: Problem;
  members: JudgedTrajectory[];
  /** steps learned by the weights that sampled it (in-flight rollouts may go on with newer ones) */
  policyStep: number;
}

export interface TrainedGroup {
  problem: Problem;
  policyStep: number;
  members: (JudgedTrajectory & { advantage: number })[];
}

export interface JudgedGroupOptions {
  config: Pick<ResolvedConfig, 'data' | 'rollout' | 'loss'>;
  policy: Policy;
  tools: readonly Tool[];
  judge: Judge;
  id: string;
  seed: number;
  policyStep?: number;
  toolGate?: Gate | undefined;
  onRollout?: (() => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** G rollouts of a problem and their rewards. */
export async function judgedGroup(problem: Problem, options: JudgedGroupOptions): Promise<JudgedRolloutGroup> {
  const { config, policy, tools, judge, id, seed, policyStep = 0, toolGate, onRollout, signal } = options;
  const prompt = promptTokens(problem, { config, tokenizer: policy.tokenizer, tools });
  const trajectories = await rolloutGroup(prompt, {
    ...config.rollout,
    protocol: protocolOf(config, tools, policy.tokenizer),
    policy,
    tools,
    id,
    seed,
    problemId: problem.id,
    ...(toolGate && { toolGate }),
    ...(signal && { signal }),
  });
  const members = await Promise.all(
    trajectories.map(async (trajectory) => ({ trajectory, judgement: await judge(problem, trajectory) })),
  );
  members.forEach(() => onRollout?.());
  // Dynamic sampling drops groups whose members are all alike. Where fewer calls are preferred, right answers that cost
  // different numbers of calls are not alike.
  const cost = (trajectory: Trajectory) => (config.loss.callEfficiency > 0 ? countCalls(trajectory) : 0);
  const accuracies = members.map(({ trajectory, judgement }) => (judgement.accurate ? 1 + cost(trajectory) : 0));
  return { problem, members, accuracies, policyStep };
}

/** Tool calls of a trajectory, over all turns. */
export function countCalls({ turns }: Trajectory): number {
  return turns.reduce((sum, { calls }) => sum + calls.length, 0);
}
