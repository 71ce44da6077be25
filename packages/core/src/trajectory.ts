/** How a tool call ended. Everything but `ok` is still an observation the policy reads. */
export type ToolStatus = 'ok' | 'error' | 'timeout' | 'refused';

/** Why a rollout ended. A value, never an exception. */
export type TrajectoryStopReason =
  /** the policy closed its answer */
  | 'answer'
  /** the token budget of the trajectory is used up */
  | 'length'
  /** no answer after the last allowed turn */
  | 'turns'
  /** the caller's signal fired */
  | 'aborted'
  /** the policy itself failed (engine fault); the trajectory is kept, never trained on */
  | 'error';

/** One tool call inside a turn. */
export interface ToolCall {
  toolCallId: string;
  tool: string;
  /** the text between the tags, or the JSON arguments */
  input: string;
  /** the observation text, without its `<response>` wrapper */
  observation: string;
  status: ToolStatus;
  durationMs: number;
}

/** One turn: what the policy sampled, then what the runtime appended. Offsets index `Trajectory.tokens`. */
export interface Turn {
  /** first sampled token of the turn */
  start: number;
  /** one past the last sampled token; observation tokens follow up to the next turn's `start` */
  end: number;
  calls: ToolCall[];
  /** true when the runtime answered with the corrective observation instead of a tool's */
  corrected: boolean;
}

/**
 * The record of one rollout. `tokens`, `lossMask` and `rolloutLogprobs` always have equal length: a token, its mask and
 * its log-probability are appended together.
 */
export interface Trajectory {
  /** unique within a run, for example `step-12/problem-7/3` */
  id: string;
  problemId: string;
  /** prompt, then everything sampled and observed, as ids; never re-tokenised */
  tokens: number[];
  /** 1 where the policy sampled the token, else 0 (prompt, observations, corrections) */
  lossMask: number[];
  /** the sampler's log-probability (natural log) of each sampled token at temperature 1 of the *requested* distribution; 0 elsewhere */
  rolloutLogprobs: number[];
  promptLength: number;
  turns: Turn[];
  stopReason: TrajectoryStopReason;
  /** what failed, when `stopReason` is `error`; with another, what failed after the last token (`policy.release`) */
  error?: string;
}

/** Number of tokens the policy sampled. The overlong penalty and token-mean count these only. */
export function sampledLength(trajectory: Pick<Trajectory, 'lossMask'>): number {
  let count = 0;
  for (const mask of trajectory.lossMask) count += mask;
  return count;
}
