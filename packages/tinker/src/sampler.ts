import type { Connection } from './connection.js';
import type { Dialect } from './dialect.js';
import { encodedText, type SampleOutput, type SamplingParams } from './protocol.js';
import type { CallOptions } from './transport.js';

export interface RemoteSampleRequest {
  prompt: readonly number[];
  numSamples?: number;
  params: SamplingParams;
  promptLogprobs?: boolean;
}

/** One set of weights, ready to sample from. */
export interface Sampler {
  readonly id: string;
  readonly dialect: Dialect;
  /** sample i uses seed + i; returned tokens include the stop tokens */
  sample(request: RemoteSampleRequest, options?: CallOptions): Promise<SampleOutput>;
}

export function createSampler({ execute, dialect }: Connection, id: string): Sampler {
  let sequence = 0;
  return {
    id,
    dialect,
    async sample({ prompt, numSamples = 1, params, promptLogprobs = false }, options) {
      const output = await execute<SampleOutput>(
        '/asample',
        {
          type: 'sample',
          sampling_session_id: id,
          seq_id: ++sequence,
          num_samples: numSamples,
          prompt: encodedText(prompt),
          sampling_params: params,
          prompt_logprobs: promptLogprobs,
          topk_prompt_logprobs: 0,
        },
        options,
      );
      const { prompt_logprobs: given } = output;
      // Everywhere the same shape: one entry per prompt token, null for the first.
      if (given && !dialect.promptLogprobsLeadingNull && given.length === prompt.length - 1) {
        return { ...output, prompt_logprobs: [null, ...given] };
      }
      return output;
    },
  };
}
