import type { Policy, SampleRequest, SampleResult, Tokenizer } from '@tapo/rollout';

const pieces = /<\/?(?:think|search|code|answer|response|eos|tool_call)>|[^]/gu;

/** One token per tag, one per character: rows of tokens can be read. `<eos>` is special. */
export function characterTokenizer(): Tokenizer & { pieces(tokens: readonly number[]): string[] } {
  const vocabulary: string[] = ['<eos>'];
  const ids = new Map([['<eos>', 0]]);
  const idOf = (piece: string) => {
    const known = ids.get(piece);
    if (known !== undefined) return known;
    ids.set(piece, vocabulary.length);
    return vocabulary.push(piece) - 1;
  };
  const tokenizer = {
    encode: (text: string, { literal = [] }: { literal?: readonly (readonly [number, number])[] } = {}) =>
      [...text.matchAll(pieces)].flatMap(({ 0: piece, index }) =>
        piece === '<eos>' && literal.some(([from, to]) => index < to && from < index + piece.length)
          ? [...piece].map(idOf)
          : [idOf(piece)],
      ),
    pieces: (tokens: readonly number[]) => tokens.map((token) => vocabulary[token] ?? '?'),
    decode: (tokens: readonly number[]): string => tokenizer.pieces(tokens).join(''),
    eosTokenIds: [0],
    padTokenId: 0,
    specialTokens: ['<eos>'],
    vocabSize: 1000,
  };
  return tokenizer;
}

export interface ScriptedPolicy extends Policy {
  tokenizer: ReturnType<typeof characterTokenizer>;
  /** what was asked and answered, in order */
  log: { request: SampleRequest; result: SampleResult }[];
  released: string[];
}

/**
 * Says what the script says, whatever it is told: pauses after a stop string, ends at `<eos>`, is cut at `maxTokens`.
 * The n-th token it ever samples gets the logprob −(n + 1) / 100. An exhausted script ends the turn.
 */
export function scriptedPolicy(script: string | ((request: SampleRequest) => string)): ScriptedPolicy {
  const tokenizer = characterTokenizer();
  const remaining = new Map<string, number[]>();
  const log: ScriptedPolicy['log'] = [];
  const released: string[] = [];
  let sampled = 0;
  return {
    tokenizer,
    log,
    released,
    async sample(request, { signal } = {}) {
      await Promise.resolve();
      signal?.throwIfAborted();
      const fresh = () => tokenizer.encode(typeof script === 'string' ? script : script(request));
      const queue = remaining.get(request.sequenceId) ?? fresh();
      remaining.set(request.sequenceId, queue);
      const result: SampleResult = { tokens: [], logprobs: [], stopReason: 'length' };
      while (result.tokens.length < request.maxTokens) {
        const token = queue.shift() ?? 0;
        result.tokens.push(token);
        result.logprobs.push(-++sampled / 100);
        const text = tokenizer.decode(result.tokens);
        if (token === 0) result.stopReason = 'eos';
        else if (request.stop.some((stop) => text.endsWith(stop))) result.stopReason = 'stop';
        if (result.stopReason !== 'length') break;
      }
      log.push({ request, result });
      return result;
    },
    release(sequenceId) {
      released.push(sequenceId);
    },
  };
}
