import { createIncrementalDecoder } from '@tapo/policy';
import type { Tokenizer as PolicyTokenizer } from '@tapo/policy';
import type { Policy, SampleResult } from '@tapo/rollout';

/** What happens to the text of an answer, in order. Text is what the model wrote: hostile until made `printable`. */
export interface StreamListener {
  /** text the policy wrote; whole code points, end-of-sequence tokens left out */
  onSampled(text: string): void;
  /** text the runtime appended: the observation of a tool */
  onObserved(text: string): void;
}

export interface StreamedPolicyOptions extends StreamListener {
  /** tokens asked for at once: 1, or more where each request is a journey */
  chunkTokens?: number;
}

/** A policy that tells what it samples while it does. Its cache outlives rollouts, until `end`. */
export interface StreamedPolicy extends Policy {
  /** what the next rollout starts from has been shown */
  begin(promptTokens: readonly number[]): void;
  /** tokens sampled since `begin` */
  readonly sampledTokens: number;
  end(): Promise<void>;
}

/**
 * Wraps a policy so that an answer can be watched: it is sampled in small requests, which changes nothing, since a draw depends on
 * seed and position only. Interrupted, it returns what it has: nothing sampled is lost.
 */
export function streamedPolicy(
  policy: Policy,
  { onSampled, onObserved, chunkTokens = 1 }: StreamedPolicyOptions,
): StreamedPolicy {
  const { tokenizer } = policy;
  const eos = new Set(tokenizer.eosTokenIds);
  const sequences = new Set<string>();
  let shown = 0;
  let sampledTokens = 0;

  return {
    tokenizer,
    get sampledTokens() {
      return sampledTokens;
    },
    begin(promptTokens) {
      shown = promptTokens.length;
      sampledTokens = 0;
    },
    release() {},
    async end() {
      for (const id of sequences) await policy.release(id);
      sequences.clear();
    },
    async sample(request, { signal } = {}): Promise<SampleResult> {
      sequences.add(request.sequenceId);
      if (request.tokens.length > shown) onObserved(tokenizer.decode(request.tokens.slice(shown)));
      shown = request.tokens.length;
      const decoder = createIncrementalDecoder(tokenizer as PolicyTokenizer);
      const longest = Math.max(0, ...request.stop.map((stop) => stop.length));
      const result: SampleResult = { tokens: [], logprobs: [], stopReason: 'length' };
      let tail = '';
      const show = (text: string): boolean => {
        if (text !== '') onSampled(text);
        const searched = tail + text;
        tail = searched.slice(Math.max(0, searched.length - longest + 1));
        return request.stop.some((stop) => searched.includes(stop));
      };
      while (result.tokens.length < request.maxTokens) {
        const maxTokens = Math.min(chunkTokens, request.maxTokens - result.tokens.length);
        const tokens = [...request.tokens, ...result.tokens];
        const stop = chunkTokens === 1 ? [] : request.stop;
        let part: SampleResult;
        try {
          part = await policy.sample({ ...request, tokens, maxTokens, stop }, signal ? { signal } : {});
        } catch (error) {
          if (signal?.aborted && result.tokens.length > 0) break;
          throw error;
        }
        result.tokens.push(...part.tokens);
        result.logprobs.push(...part.logprobs);
        shown += part.tokens.length;
        sampledTokens += part.tokens.length;
        const stopped = show(decoder.push(...part.tokens.filter((token) => !eos.has(token))));
        if (part.stopReason !== 'length') result.stopReason = part.stopReason;
        else if (stopped) result.stopReason = 'stop';
        if (result.stopReason !== 'length' || part.tokens.length < maxTokens) break;
      }
      show(decoder.flush());
      return result;
    },
  };
}
