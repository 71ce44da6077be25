import type { ToolCall, Trajectory, TrajectoryStopReason, Turn } from '@tapo/core';
import type { Tokenizer } from './policy.js';

/** A trajectory while it grows. `tokens` is what the policy is fed: always exactly what was sampled and observed. */
export interface TrajectoryBuilder {
  readonly tokens: readonly number[];
  startTurn(): void;
  /** appends sampled tokens: mask 1, one log-probability each */
  sampled(tokens: readonly number[], logprobs: readonly number[]): void;
  /** notes what the runtime did at the end of the turn */
  endTurn(outcome: { calls?: ToolCall[]; corrected?: boolean }): void;
  /** appends an observation: mask 0, log-probability 0 */
  observed(tokens: readonly number[]): void;
  /** decoded tokens of the current turn, as sampled so far */
  turnText(): string;
  /** decoded tokens after the prompt: what a scorer reads */
  text(): string;
  finish(stopReason: TrajectoryStopReason, error?: string): Trajectory;
}

/** The one place where a token, its mask and its log-probability are appended, together. */
export function trajectoryBuilder(
  promptTokens: readonly number[],
  { id, problemId, tokenizer }: { id: string; problemId: string; tokenizer: Tokenizer },
): TrajectoryBuilder {
  const tokens: number[] = [];
  const lossMask: number[] = [];
  const rolloutLogprobs: number[] = [];
  const turns: Turn[] = [];
  const append = (token: number, mask: 0 | 1, logprob: number) => {
    tokens.push(token);
    lossMask.push(mask);
    rolloutLogprobs.push(logprob);
  };
  const currentTurn = () => {
    const turn = turns.at(-1);
    if (turn === undefined) throw new Error('startTurn() comes before anything is sampled');
    return turn;
  };
  for (const token of promptTokens) append(token, 0, 0);

  return {
    tokens,
    startTurn() {
      turns.push({ start: tokens.length, end: tokens.length, calls: [], corrected: false });
    },
    sampled(sampledTokens, logprobs) {
      if (sampledTokens.length !== logprobs.length) {
        throw new Error(`the policy returned ${sampledTokens.length} tokens but ${logprobs.length} logprobs`);
      }
      const turn = currentTurn();
      sampledTokens.forEach((token, index) => {
        const logprob = logprobs[index] as number;
        if (!Number.isFinite(logprob)) {
          throw new Error(`the policy returned the logprob ${logprob} for token ${token} at position ${tokens.length}`);
        }
        append(token, 1, logprob);
      });
      turn.end = tokens.length;
    },
    endTurn({ calls = [], corrected = false }) {
      Object.assign(currentTurn(), { calls, corrected });
    },
    observed(observedTokens) {
      for (const token of observedTokens) append(token, 0, 0);
    },
    turnText: () => tokenizer.decode(tokens.slice(currentTurn().start, currentTurn().end)),
    text: () => tokenizer.decode(tokens.slice(promptTokens.length)),
    finish: (stopReason, error) => ({
      id,
      problemId,
      tokens,
      lossMask,
      rolloutLogprobs,
      promptLength: promptTokens.length,
      turns,
      stopReason,
      ...(error === undefined ? {} : { error }),
    }),
  };
}

/** A stretch of a trajectory's text after the prompt, written by the policy (`sampled`) or by the runtime. */
export interface TextSegment {
  text: string;
  sampled: boolean;
}

/** The text after the prompt, cut where the writer changes: what tells a forged `<response>` from a real one. */
export function textSegments(
  { tokens, lossMask, promptLength }: Pick<Trajectory, 'tokens' | 'lossMask' | 'promptLength'>,
  tokenizer: Pick<Tokenizer, 'decode'>,
): TextSegment[] {
  const segments: TextSegment[] = [];
  for (let start = promptLength, end = start; start < tokens.length; start = end) {
    while (end < tokens.length && lossMask[end] === lossMask[start]) end++;
    segments.push({ text: tokenizer.decode(tokens.slice(start, end)), sampled: lossMask[start] === 1 });
  }
  return segments;
}
