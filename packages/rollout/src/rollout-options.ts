import type { Tool } from '@tapo/tools';
import type { Policy } from './policy.js';
import type { Protocol } from './protocol.js';

export interface RolloutOptions {
  policy: Policy;
  tools?: readonly Tool[];
  /** how calls and answers are written; default: the paper's tags */
  protocol?: Protocol;
  /** turns in which tools run; one last turn follows, in which every tool answers that its attempts are used up */
  maxTurns?: number;
  /** budget of the whole trajectory: prompt, sampled and observed tokens */
  maxTokens?: number;
  /** longer observations are cut */
  maxObservationTokens?: number;
  temperature?: number;
  topP?: number;
  /** 0 = off */
  topK?: number;
  /** the trajectory depends on prompt, weights, tools and this number, and not on timing */
  seed?: number;
  toolTimeoutMs?: number;
  /** runs a tool call when there is room for it; the wait does not count as the tool's time */
  toolGate?: <T>(call: () => Promise<T>) => Promise<T>;
  /** unique among the rollouts under way; the policy keeps its cache under it */
  id?: string;
  problemId?: string;
  signal?: AbortSignal;
}
