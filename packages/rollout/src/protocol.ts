/** A call as the policy wrote it. */
export interface ParsedCall {
  /** name of the tool; in JSON protocols it may name a tool that does not exist */
  tool: string;
  /** the text between the tags, or the JSON arguments */
  input: string;
  /** the parsed arguments, where the protocol has them: handed to the tool instead of `input` */
  arguments?: unknown;
  /** set when the call is malformed: what the policy should be told instead of running anything */
  problem?: string;
}

/** What the text of a turn amounts to so far. */
export type ParsedTurn =
  | { kind: 'calls'; calls: ParsedCall[] }
  | { kind: 'answer'; answer: string }
  /** neither a complete call nor a complete answer */
  | { kind: 'none' };

/**
 * How a policy says "call this tool" and "this is my answer", and how the runtime talks back. The rollout loop knows
 * nothing else about the format, so tags and JSON function calls share it.
 */
export interface Protocol {
  /** strings after which sampling pauses, because a call or an answer may be complete */
  readonly stop: string[];
  /** `ended`: the policy closed its turn with an end-of-sequence token, so nothing will follow */
  parse(turnText: string, ended: boolean): ParsedTurn;
  /** the text the runtime appends after a turn with calls, one observation per call, in the same order */
  observation(observations: readonly string[]): string;
  /** the text the runtime appends after a turn with neither a call nor an answer */
  readonly correction: string;
  /** the observation of every call in the last turn, when the attempts are used up */
  readonly exhausted: string;
  /** names of the tools' blocks in the paper's tags, lower case: what a scorer allows */
  readonly tagNames: readonly string[];
  /** a turn and its calls rewritten in the paper's tags; absent where the text has them already */
  asTags?(
    sampled: string,
    calls: readonly { tool: string; input: string; observation: string }[],
  ): { text: string; sampled: boolean }[];
}
