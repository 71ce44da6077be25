import type { ToolCall, TrajectoryStopReason, Turn } from '@tapo/core';
import type { TextSegment } from '@tapo/rollout';

/** `stopped`: nothing was written for a while and there is no summary.json. */
export type RunStatus = 'waiting' | 'running' | 'stopped' | 'finished';

/** `GET api/runs` answers with a list of these; an event carries one whenever it changes. */
export interface RunSummary {
  /** unique among the runs on show, stable between starts: the directory's name, with its parent's where needed */
  id: string;
  path: string;
  status: RunStatus;
  /** ISO date, from run.json */
  started: string | null;
  /** of metrics.jsonl, milliseconds since 1970 */
  updatedMs: number | null;
  /** last step in metrics.jsonl */
  step: number;
  totalSteps: number | null;
  /** config.json as it is */
  config: Record<string, unknown> | null;
  /** the newest line of metrics.jsonl */
  latest: MetricsLine | null;
  /** rewards for a sparkline, thinned out to 60 at most */
  rewards: number[];
  /** lines of metrics.jsonl that are no JSON; a last line being written is none of them */
  unreadableLines: number;
}

/** One line of metrics.jsonl: see docs/run-directory.md. */
export interface MetricsLine {
  step: number;
  [key: string]: number | null | Record<string, number | null>;
}

/** `GET api/runs/ID/metrics?from=BYTES&generation=N`; the same with `evaluations` */
export interface MetricsPage {
  /** whole lines, as they are in the file */
  text: string;
  /** where the next request goes on */
  next: number;
  /** another number than the one asked with: the file was rewritten, and `text` starts at its beginning */
  generation: number;
}

/** `GET api/runs/ID/steps`: the steps with a trajectory file. */
export interface StepList {
  steps: number[];
}

/** What lists show of a trajectory. */
export interface TrajectoryRow {
  /** of the trajectory file */
  step: number;
  /** in the file, from 0 */
  line: number;
  id: string;
  /** id without the rollout's number: the same for the rollouts of one problem */
  group: string;
  problemId: string;
  question: string;
  source: string;
  reward: number;
  score: number;
  /** null: not trained on */
  advantage: number | null;
  accurate: boolean;
  wellFormed: boolean;
  trained: boolean;
  answer: string | null;
  stopReason: TrajectoryStopReason;
  calls: { tool: string; status: ToolCall['status'] }[];
  sampledTokens: number;
}

/** `GET api/runs/ID/steps/N` */
export interface StepRows {
  rows: TrajectoryRow[];
}

/** A trajectory to be read: the record without its token columns. `GET api/runs/ID/steps/N/trajectories?lines=0,1` */
export interface TrajectoryDetail extends TrajectoryRow {
  targets: string[];
  prompt: string;
  segments: TextSegment[];
  turns: Turn[];
  error?: string;
}

/** `GET api/runs/ID/steps/N/tokens?line=0` */
export interface TokenColumns {
  tokens: number[];
  /** text of each token; a character of several tokens is with its first one; null: no tokenizer found */
  texts: string[] | null;
  lossMask: number[];
  rolloutLogprobs: number[];
  oldLogprobs: number[] | null;
  logprobs: number[] | null;
  advantage: number | null;
  promptLength: number;
  /** how far ratios may go, from the run's config */
  clip: { low: number; high: number; dual: number | null };
}

/** `GET api/runs/ID/find?…`: trajectories that match, as far as they were found within a moment. */
export interface FindPage {
  rows: TrajectoryRow[];
  /** where the next request goes on; null: everything was looked at */
  next: { step: number; line: number } | null;
  /** the steps looked at in this request, of `steps` */
  looked: number;
  steps: number;
}

/** An event of `GET api/events`. */
export type ViewEvent = { type: 'run'; run: RunSummary } | { type: 'gone'; id: string };
