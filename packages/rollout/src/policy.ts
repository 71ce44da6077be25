/** One request to continue a sequence. */
export interface SampleRequest {
  /** Stable over the turns of a rollout: the policy keeps the KV cache under it until `release`. */
  sequenceId: string;
  /** the whole sequence so far; what was cached is a prefix of it */
  tokens: number[];
  maxTokens: number;
  /** sampling ends after the token that completes one of these strings (the token is included) */
  stop: string[];
  temperature: number;
  topP: number;
  /** 0 = off */
  topK: number;
  /** Draw i of a sequence depends only on (seed, position), never on the batch or the clock. */
  seed: number;
}

export interface SampleResult {
  tokens: number[];
  /** natural log-probability of each token under the sampled-from model, temperature applied, before top-p/top-k */
  logprobs: number[];
  /** `stop`: a stop string was completed; `eos`: an end-of-sequence token, included in `tokens`; `length`: maxTokens reached */
  stopReason: 'stop' | 'eos' | 'length';
}

/** Text ↔ ids. `decode` keeps special tokens: tags may be single tokens. */
export interface Tokenizer {
  /** `literal`: parts `[start, end)` of the text in which special tokens are text */
  encode(text: string, options?: { literal?: readonly (readonly [start: number, end: number])[] }): number[];
  decode(tokens: readonly number[]): string;
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number;
  /** the token a plain prompt should begin with, where the model was trained with one */
  readonly bosTokenId?: number;
  /** what `encode` reads as special tokens, where it does (`<|im_end|>`): see `encodeUntrusted` */
  readonly specialTokens?: readonly string[];
  readonly vocabSize: number;
  /** renders the model's chat template; undefined for base models without one */
  applyChatTemplate?(
    messages: { role: string; content: string }[],
    options?: { addGenerationPrompt?: boolean; tools?: unknown[] },
  ): string;
}

/** What the rollout loop needs of a model: local engine, remote engine or a script in a test. */
export interface Policy {
  readonly tokenizer: Tokenizer;
  /** many at once; the policy batches whoever is ready */
  sample(request: SampleRequest, options?: { signal?: AbortSignal }): Promise<SampleResult>;
  /** frees what is kept for a sequence */
  release(sequenceId: string): void | Promise<void>;
}
