import type { Policy } from '@tapo/rollout';
import type { Learner } from './learner.js';

/** A model that samples and learns: local worker or remote server. */
export interface Engine {
  policy: Policy;
  learner: Learner;
  close(): Promise<void>;
}

/** An engine, and in words what it is and where it runs. */
export interface OpenedEngine extends Engine {
  description: string;
  /** why it must not train */
  evaluationOnly?: string;
}
