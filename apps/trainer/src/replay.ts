import type { Trajectory } from '@tapo/core';
import { rollout } from '@tapo/rollout';
import type { Policy } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { UsageError } from './cli/command.js';
import type { ResolvedConfig } from './config/schema.js';
import { protocolOf } from './prompt.js';
import { trajectorySeed } from './rollout-seed.js';
import type { TrajectoryRecord } from './trajectory-records.js';

export interface ReplayOptions {
  config: ResolvedConfig;
  /** with the weights that the recorded rollout was sampled with */
  policy: Policy;
  tools: readonly Tool[];
  signal?: AbortSignal;
}

/** Where a repeated rollout first differs from the recorded one. */
export interface Divergence {
  /** offset into `tokens` */
  position: number;
  /** index of the turn, from 0 */
  turn: number;
  what: 'token' | 'log-probability' | 'observation' | 'length' | 'ending';
  recorded: string;
  repeated: string;
}

/** Repeats a recorded rollout from its prompt and seed. The tools are called again. */
export async function replay(
  record: TrajectoryRecord,
  { config, policy, tools, signal }: ReplayOptions,
): Promise<{ trajectory: Trajectory; divergence: Divergence | undefined }> {
  const seed = trajectorySeed(config.seed, record.id);
  if (seed === undefined) throw new UsageError(`${record.id} is no id of training, wanted step-S/R-I/i`);
  const trajectory = await rollout(record.tokens.slice(0, record.promptLength), {
    ...config.rollout,
    protocol: protocolOf(config, tools, policy.tokenizer),
    policy,
    tools,
    seed,
    id: record.id,
    problemId: record.problemId,
    ...(signal && { signal }),
  });
  return { trajectory, divergence: firstDivergence(record, trajectory, (tokens) => policy.tokenizer.decode(tokens)) };
}

type Recorded = Pick<TrajectoryRecord, 'tokens' | 'lossMask' | 'rolloutLogprobs' | 'turns' | 'stopReason'>;

/** Compares token by token, to the bit. Records keep nine digits of a log-probability, which is all of a float32. */
export function firstDivergence(
  recorded: Recorded,
  repeated: Recorded,
  decode: (tokens: number[]) => string,
): Divergence | undefined {
  const length = Math.min(recorded.tokens.length, repeated.tokens.length);
  const show = (token: number) => JSON.stringify(decode([token]));
  for (let position = 0; position < length; position++) {
    const [was, is] = [recorded.tokens[position] as number, repeated.tokens[position] as number];
    const place = { position, turn: turnAt(recorded, position) };
    if (recorded.lossMask[position] !== 1 && was !== is) {
      const observed = ({ turns }: Recorded) =>
        turns[place.turn]?.calls.map((call) => call.observation).join('\n') ?? '';
      return { ...place, what: 'observation', recorded: observed(recorded), repeated: observed(repeated) };
    }
    if (was !== is) return { ...place, what: 'token', recorded: show(was), repeated: show(is) };
    const logprobs = [recorded, repeated].map(({ rolloutLogprobs }) =>
      Number((rolloutLogprobs[position] ?? NaN).toPrecision(9)),
    ) as [number, number];
    if (logprobs[0] !== logprobs[1]) {
      return { ...place, what: 'log-probability', recorded: String(logprobs[0]), repeated: String(logprobs[1]) };
    }
  }
  const end = { position: length, turn: turnAt(recorded, length) };
  if (recorded.tokens.length !== repeated.tokens.length) {
    const tokens = ({ tokens: { length: count } }: Recorded) => `${count} tokens`;
    return { ...end, what: 'length', recorded: tokens(recorded), repeated: tokens(repeated) };
  }
  if (recorded.stopReason !== repeated.stopReason) {
    return { ...end, what: 'ending', recorded: recorded.stopReason, repeated: repeated.stopReason };
  }
  return undefined;
}

function turnAt({ turns }: Pick<Recorded, 'turns'>, position: number): number {
  return Math.max(
    0,
    turns.findLastIndex((turn) => turn.start <= position),
  );
}
