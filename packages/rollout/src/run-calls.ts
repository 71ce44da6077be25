import type { ToolCall } from '@tapo/core';
import type { Tool } from '@tapo/tools';
import { callTool } from '@tapo/tools';
import type { Tokenizer } from './policy.js';
import type { ParsedCall, Protocol } from './protocol.js';
import type { RolloutOptions } from './rollout-options.js';

interface RunCallsOptions extends RolloutOptions {
  tools: readonly Tool[];
  protocol: Protocol;
  /** prefix of the calls' ids */
  id: string;
  rolloutId: string;
  /** true in the last turn: no tool runs any more */
  exhausted: boolean;
}

/** Runs the calls of one turn in parallel. Whatever goes wrong becomes an observation. */
export function runCalls(calls: readonly ParsedCall[], options: RunCallsOptions): Promise<ToolCall[]> {
  const { policy, tools, protocol, id, rolloutId, exhausted, toolTimeoutMs, signal } = options;
  const { maxObservationTokens = 2048, toolGate = (call) => call() } = options;
  return Promise.all(
    calls.map(async ({ tool: name, input, arguments: given, problem }, index): Promise<ToolCall> => {
      const toolCallId = `${id}/call-${index}`;
      const answered = { toolCallId, tool: name, input, durationMs: 0 };
      if (exhausted) return { ...answered, observation: protocol.exhausted, status: 'refused' };
      if (problem !== undefined) return { ...answered, observation: problem, status: 'error' };
      const tool = tools.find((candidate) => candidate.name === name);
      if (tool === undefined) {
        const known = tools.map((candidate) => candidate.name).join(', ') || 'none';
        return { ...answered, observation: `There is no tool "${name}". Tools: ${known}.`, status: 'error' };
      }
      const { observation, status, durationMs } = await toolGate(() =>
        callTool(tool, given ?? input, { toolCallId, rolloutId, timeoutMs: toolTimeoutMs, signal }),
      );
      return {
        ...answered,
        observation: cutToTokens(observation, maxObservationTokens, policy.tokenizer),
        status,
        durationMs,
      };
    }),
  );
}

/** The longest start of `text` that encodes to at most `maxTokens` tokens; never half a character. */
function cutToTokens(text: string, maxTokens: number, tokenizer: Tokenizer): string {
  const tokens = tokenizer.encode(text, { literal: [[0, text.length]] });
  return tokens.length <= maxTokens ? text : tokenizer.decode(tokens.slice(0, maxTokens)).replace(/\uFFFD+$/, '');
}
