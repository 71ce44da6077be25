import type { RemotePolicyRequest, RemoteTokenizer } from '../policy.js';

/** What a completion looks like once the differences between servers are gone. */
export interface Completion {
  tokens: number[];
  /** one per token; all 0 where the server tells none */
  logprobs: number[];
  ended: 'stop' | 'length';
}

/** How one kind of server is asked to continue tokens. */
export interface Wire {
  path: string;
  /** returns ids and log-probabilities, so that its samples can be trained on */
  exact: boolean;
  body(request: RemotePolicyRequest, model: string, tokenizer: RemoteTokenizer): object;
  read(reply: unknown, request: RemotePolicyRequest, tokenizer: RemoteTokenizer): Completion;
}

const completions = (request: RemotePolicyRequest, model: string) => ({
  model,
  n: 1,
  max_tokens: request.maxTokens,
  temperature: request.temperature,
  top_p: request.topP,
  seed: request.seed,
  ...(request.stop.length > 0 && { stop: request.stop }),
});

interface Choice {
  text?: string;
  finish_reason?: string | null;
  /** vLLM: the stop string or token id; null for EOS */
  stop_reason?: string | number | null;
  token_ids?: number[] | null;
  logprobs?: { token_logprobs?: (number | null)[] } | null;
}

function firstChoice(reply: unknown): Choice {
  const choice = (reply as { choices?: Choice[] } | null)?.choices?.[0];
  if (choice === undefined) throw new Error(`wanted {choices: [{…}]}, got ${JSON.stringify(reply)?.slice(0, 200)}`);
  return choice;
}

/** vLLM's `/v1/completions` with its extensions (`return_token_ids`: 0.10.2 or newer). */
const vllm: Wire = {
  path: '/v1/completions',
  exact: true,
  body: (request, model, { eosTokenIds }) => ({
    ...completions(request, model),
    prompt: request.tokens,
    top_k: request.topK > 0 ? request.topK : -1,
    stop_token_ids: eosTokenIds,
    include_stop_str_in_output: true,
    skip_special_tokens: false,
    logprobs: 1,
    return_token_ids: true,
  }),
  read(reply) {
    const { token_ids: tokens, logprobs, finish_reason: reason } = firstChoice(reply);
    if (!Array.isArray(tokens)) {
      throw new Error(
        'the reply has no token_ids: vLLM 0.10.2 or newer is needed. To evaluate only, take api "openai"',
      );
    }
    const values = logprobs?.token_logprobs ?? [];
    return { tokens, logprobs: values.map((value) => value ?? NaN), ended: reason === 'stop' ? 'stop' : 'length' };
  },
};

/** SGLang's own `/generate`. */
const sglang: Wire = {
  path: '/generate',
  exact: true,
  body: (request, model, { eosTokenIds }) => ({
    input_ids: request.tokens,
    // an adapter by name; the base model needs none
    ...(model !== '' && { lora_path: model }),
    return_logprob: true,
    sampling_params: {
      max_new_tokens: request.maxTokens,
      temperature: request.temperature,
      top_p: request.topP,
      top_k: request.topK > 0 ? request.topK : -1,
      sampling_seed: request.seed,
      stop_token_ids: eosTokenIds,
      no_stop_trim: true,
      skip_special_tokens: false,
      ...(request.stop.length > 0 && { stop: request.stop }),
    },
  }),
  read(reply) {
    const { meta_info: info } = (reply ?? {}) as {
      meta_info?: { output_token_logprobs?: [number, number, unknown][]; finish_reason?: { type?: string } | null };
    };
    const pairs = info?.output_token_logprobs;
    if (!Array.isArray(pairs)) {
      throw new Error(`wanted {meta_info: {output_token_logprobs}}, got ${JSON.stringify(reply)?.slice(0, 200)}`);
    }
    return {
      tokens: pairs.map(([, token]) => token),
      logprobs: pairs.map(([logprob]) => logprob),
      ended: info?.finish_reason?.type === 'stop' ? 'stop' : 'length',
    };
  },
};

/** Any other server of `/v1/completions`: text in, text out. Its ids are ours, so it is good for evaluation only. */
const openai: Wire = {
  path: '/v1/completions',
  exact: false,
  body: (request, model, tokenizer) => ({
    ...completions(request, model),
    prompt: tokenizer.decode(request.tokens),
  }),
  read(reply, { stop }, tokenizer) {
    const { text = '', finish_reason: reason, stop_reason: matched } = firstChoice(reply);
    const ended = reason === 'stop' ? 'stop' : 'length';
    // The stop string is left out of the text, and most servers do not say which one it was.
    const missing = ended === 'stop' ? (typeof matched === 'string' ? matched : openTag(text, stop)) : undefined;
    const whole = missing !== undefined && !text.endsWith(missing) ? text + missing : text;
    const tokens = tokenizer.encode(whole);
    const [eos] = tokenizer.eosTokenIds;
    if (ended === 'stop' && missing === undefined && eos !== undefined) tokens.push(eos);
    return { tokens, logprobs: tokens.map(() => 0), ended };
  },
};

/** The closing tag among `stop` whose opening tag was written last and is still open. */
function openTag(text: string, stop: readonly string[]): string | undefined {
  const open = stop
    .map((close) => ({ close, at: text.lastIndexOf(close.replace('</', '<')) }))
    .filter(({ close, at }) => at >= 0 && !text.includes(close, at));
  return open.toSorted((a, b) => b.at - a.at)[0]?.close;
}

export const wires = { vllm, sglang, openai } as const;

export type ApiName = keyof typeof wires;
