import type { ToolCall, Trajectory } from '@tapo/core';
import { rollout } from '@tapo/rollout';
import type { Policy, Protocol } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import type { ResolvedConfig } from '../config/schema.js';
import type { Conversation } from './conversation.js';
import { streamedPolicy } from './streamed-policy.js';
import type { StreamedPolicyOptions } from './streamed-policy.js';

/** One answer of a conversation. */
export interface Answer {
  message: string;
  /** what stands in `<answer>`, or the whole last turn; null when none was reached */
  answer: string | null;
  /** everything after the prompt, tools' results included */
  text: string;
  calls: ToolCall[];
  stopReason: Trajectory['stopReason'];
  /** the engine's message, when it failed */
  error?: string;
  promptTokens: number;
  sampledTokens: number;
  seconds: number;
}

export interface AnswererOptions extends StreamedPolicyOptions {
  policy: Policy;
  tools: readonly Tool[];
  protocol: Protocol;
  conversation: Conversation;
  rollout: Pick<
    ResolvedConfig['rollout'],
    'maxTurns' | 'maxObservationTokens' | 'topP' | 'topK' | 'toolTimeoutMs' | 'temperature'
  >;
  /** tokens of one answer, observations included */
  maxTokens: number;
  seed: number;
}

/** Answers messages one after the other: each is a rollout that goes on where the last one ended, in one KV cache. */
export interface Answerer {
  answer(message: string, options?: { signal?: AbortSignal }): Promise<Answer>;
  close(): Promise<void>;
}

export function createAnswerer(options: AnswererOptions): Answerer {
  const { tools, protocol, conversation, maxTokens, seed } = options;
  const policy = streamedPolicy(options.policy, options);
  const { tokenizer } = policy;
  return {
    async answer(message, { signal } = {}) {
      const prompt = conversation.ask(message);
      policy.begin(prompt);
      const started = performance.now();
      const trajectory = await rollout(prompt, {
        ...options.rollout,
        policy,
        tools,
        protocol,
        maxTokens: prompt.length + maxTokens,
        seed,
        id: 'chat',
        ...(signal && { signal }),
      });
      const seconds = (performance.now() - started) / 1000;
      const { tokens, turns, stopReason, error } = trajectory;
      conversation.answered(tokens);
      const eos = new Set(tokenizer.eosTokenIds);
      const decode = (part: readonly number[]) => tokenizer.decode(part.filter((token) => !eos.has(token)));
      const last = turns.at(-1);
      const parsed = last && protocol.parse(decode(tokens.slice(last.start, last.end)), true);
      return {
        message,
        answer: stopReason === 'answer' && parsed?.kind === 'answer' ? parsed.answer : null,
        text: decode(tokens.slice(prompt.length)),
        calls: turns.flatMap(({ calls }) => calls),
        stopReason,
        ...(error !== undefined && { error }),
        promptTokens: prompt.length,
        sampledTokens: policy.sampledTokens,
        seconds,
      };
    },
    close: () => policy.end(),
  };
}
