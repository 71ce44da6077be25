import type { StandardSchemaV1 } from '@standard-schema/spec';

/** What a tool is told about the call it serves. */
export interface ToolContext {
  toolCallId: string;
  /** same for all calls of one rollout: key of per-rollout state */
  rolloutId: string;
  /** fires at the time limit and when the run is interrupted */
  signal: AbortSignal;
}

/**
 * A tool the policy may call. A plain object: no base class, no registration.
 * Throwing, hanging and returning nonsense are all safe: `callTool` turns each into an observation.
 */
export interface Tool<Input = unknown, Output = unknown> {
  /** also the XML tag, unless `tag` is given: `<search>query</search>` */
  name: string;
  tag?: string;
  /** one sentence for the prompt's rule set */
  description: string;
  /** arktype, zod, valibot, …; without it the input is the text between the tags */
  inputSchema?: StandardSchemaV1<unknown, Input>;
  execute(input: Input, context: ToolContext): Output | Promise<Output>;
  /** default: strings as they are, everything else as JSON */
  toObservation?(output: Output): string;
  /** frees the state kept under `rolloutId`; called once when that rollout has ended, however it ended */
  endRollout?(rolloutId: string): void | Promise<void>;
  /** frees everything; called once at the end of a run, safe to call again */
  close?(): Promise<void>;
}

/** How a tool call ended. Everything but `ok` is still an observation the policy reads. */
export type ToolStatus = 'ok' | 'error' | 'timeout' | 'refused';

/**
 * Thrown by a tool whose message is meant for the policy: it becomes the observation word for word, with this status.
 * Any other exception becomes "The X tool failed: message".
 */
export class ToolError extends Error {
  override readonly name = 'ToolError';
  constructor(
    readonly status: Exclude<ToolStatus, 'ok'>,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Also of another copy of this package: a tool's own dependency, or one that a bundler has made. */
export function isToolError(error: unknown): error is ToolError {
  if (error instanceof ToolError) return true;
  return error instanceof Error && error.name === 'ToolError' && statuses.has((error as ToolError).status);
}

const statuses = new Set<ToolStatus>(['error', 'timeout', 'refused']);
