import { characterTokenizer, createTokenizer } from '@tapo/policy';
import type { TokenizerFiles } from '@tapo/policy';
import type { Policy, SampleRequest } from '@tapo/rollout';

const template = `{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;

/** The files of a tokenizer that puts `<bos>` before a text, as that of Llama 3 does. */
export function startingWithBos(files: TokenizerFiles): TokenizerFiles {
  const single = [{ SpecialToken: { id: '<bos>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }];
  const special_tokens = { '<bos>': { id: '<bos>', ids: [1], tokens: ['<bos>'] } };
  const post_processor = { type: 'TemplateProcessing', single, pair: single, special_tokens };
  return { ...files, tokenizer: { ...files.tokenizer, post_processor } };
}

const tags = ['<|im_start|>', '<|im_end|>', '<answer>', '</answer>', '<search>', '</search>'];
const files = characterTokenizer({ tags });

/** One token per character and tag, with ChatML as chat template; `<|im_end|>` ends a turn. */
export const chatml = createTokenizer({
  ...files,
  config: { ...files.config, chat_template: template, eos_token: '<|im_end|>' },
});

/** The same with a template that tells the tools it is given. */
export const chatmlWithTools = createTokenizer({
  ...files,
  config: {
    ...files.config,
    chat_template: `{%- if tools %}<|im_start|>system\n{{ tools | tojson }}<|im_end|>\n{% endif %}${template}`,
    eos_token: '<|im_end|>',
  },
});

/** A policy that writes a script, whatever it is asked; `requests` is what it was asked. */
export function scripted(script: string): Policy & { requests: SampleRequest[]; released: string[] } {
  const tokens = chatml.encode(script);
  const requests: SampleRequest[] = [];
  const released: string[] = [];
  let next = 0;
  return {
    requests,
    released,
    tokenizer: chatml,
    async sample(request) {
      requests.push(request);
      const part = tokens.slice(next, (next += request.maxTokens));
      const ended = chatml.eosTokenIds.includes(part.at(-1) as number);
      return { tokens: part, logprobs: part.map(() => -1), stopReason: ended ? 'eos' : 'length' };
    },
    release: (id) => void released.push(id),
  };
}
