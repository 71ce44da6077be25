import { characterTokenizer, createTokenizer } from '@tapo/policy';
import type { Policy, SampleRequest } from '@tapo/rollout';

const template = `{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;

const tags = ['<|im_start|>', '<|im_end|>', '<answer>', '</answer>', '<search>', '</search>'];
const files = characterTokenizer({ tags });

/** One token per character and tag, with ChatML as chat template; `<|im_end|>` ends a turn. */
export const chatml = createTokenizer({
  ...files,
  config: { ...files.config, chat_template: template, eos_token: '<|im_end|>' },
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
