import { hashSeed } from '@tapo/core';
import type { Sampler } from './sampler.js';

/** The part of a tokenizer the remote policy needs; every tokenizer of `@tapo/policy` fits. */
export interface RemoteTokenizer {
  encode(text: string): number[];
  decode(tokens: readonly number[]): string;
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number;
  readonly vocabSize: number;
}

/** Structurally the `SampleRequest` of `@tapo/rollout`. */
export interface RemotePolicyRequest {
  sequenceId: string;
  tokens: number[];
  maxTokens: number;
  stop: string[];
  temperature: number;
  topP: number;
  topK: number;
  seed: number;
}

export interface RemotePolicyResult {
  tokens: number[];
  logprobs: number[];
  stopReason: 'stop' | 'eos' | 'length';
}

/** Samples the continuation of one sequence on the server; structurally the `Policy.sample` of `@tapo/rollout`. */
export async function sampleRemotely(
  sampler: Sampler,
  tokenizer: RemoteTokenizer,
  { tokens: prompt, maxTokens, stop, temperature, topP, topK, seed }: RemotePolicyRequest,
  options: { signal?: AbortSignal } = {},
): Promise<RemotePolicyResult> {
  const params = {
    max_tokens: sampler.dialect.roundMaxTokens ? roundedUp(maxTokens) : maxTokens,
    // a seed for each position, so that the turns of a rollout do not repeat each other’s draws
    seed: hashSeed(seed, prompt.length) >>> 1,
    temperature,
    top_p: topP,
    top_k: topK > 0 ? topK : -1,
    ...(stop.length > 0 ? { stop } : {}),
  };
  const { sequences } = await sampler.sample({ prompt, params }, options);
  const sequence = sequences[0];
  if (!sequence?.logprobs || sequence.logprobs.length !== sequence.tokens.length) {
    const got = sequence
      ? `${sequence.tokens.length} tokens, ${sequence.logprobs?.length ?? 'no'} log-probabilities`
      : 'no sequence';
    throw new Error(`The server must return one log-probability per sampled token, got ${got}.`);
  }
  // Not every server stops where it was told to: EOS may be passed over, stop strings may be looked for only at the end.
  const { count, stopReason } = cut(sequence.tokens.slice(0, maxTokens), stop, tokenizer);
  return { tokens: sequence.tokens.slice(0, count), logprobs: sequence.logprobs.slice(0, count), stopReason };
}

/** To two significant binary digits, at least 32: 33 → 48, 50 → 64, 65 → 96. */
function roundedUp(count: number): number {
  if (count <= 32) return 32;
  const half = 2 ** (Math.floor(Math.log2(count)) - 1);
  return Math.ceil(count / half) * half;
}

/** How many of the sampled tokens count: up to and with the first EOS, or the token that completes a stop string. */
export function cut(
  tokens: readonly number[],
  stop: readonly string[],
  { decode, eosTokenIds }: Pick<RemoteTokenizer, 'decode' | 'eosTokenIds'>,
): { count: number; stopReason: RemotePolicyResult['stopReason'] } {
  const eos = tokens.findIndex((token) => eosTokenIds.includes(token));
  const end = eos < 0 ? tokens.length : eos + 1;
  const stops = (count: number): boolean => {
    const text = decode(tokens.slice(0, count));
    return stop.some((string) => text.includes(string));
  };
  if (!stops(end)) return { count: end, stopReason: eos < 0 ? 'length' : 'eos' };
  // Once complete, a stop string stays complete: the shortest prefix with one is found by bisection.
  let without = 0;
  let withStop = end;
  while (withStop - without > 1) {
    const middle = (without + withStop) >> 1;
    if (stops(middle)) withStop = middle;
    else without = middle;
  }
  return { count: withStop, stopReason: 'stop' };
}
