import { renderPrompt } from '@tapo/data';
import type { Protocol, Tokenizer } from '@tapo/rollout';
import { encodeUntrusted } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { UsageError } from '../cli/command.js';
import { betweenTurns } from '../turn-markers.js';
import { definitionsOf, describeTools, withStart } from '../prompt.js';
import type { DescribedTool } from '../prompt.js';

/** How messages become the tokens that a policy continues. */
export interface ConversationFormat {
  template: 'base' | 'chat' | 'minimal';
  protocol: 'tags' | 'json';
  /** said before the rules; with the template `chat` only */
  system?: string | undefined;
  /** how to work, think and call the tools, from what they say of themselves; nothing: a plain conversation */
  rules?: ((tools: readonly DescribedTool[]) => string) | undefined;
}

export interface ConversationOptions extends ConversationFormat {
  tokenizer: Tokenizer;
  tools: readonly Tool[];
}

/** Gives the tokens to continue after each message; the same tokens stay in front, so that a KV cache is used again. */
export interface Conversation {
  /** what the policy continues to answer `message` */
  ask(message: string): number[];
  /** the sequence after the answer: exactly what was sampled and observed */
  answered(tokens: readonly number[]): void;
  /** forgets everything said so far */
  clear(): void;
}

/**
 * A conversation, token in token out: earlier answers stay as they were sampled. Under `chat` the model's own template says what
 * stands between an answer and the next message; under `base` a new question follows; a `minimal` policy knows single questions
 * only, so that each begins anew.
 */
export function conversation(options: ConversationOptions): Conversation {
  const { template, tokenizer } = options;
  const tools = describeTools(options.tools, options.protocol);
  const eos = new Set(tokenizer.eosTokenIds);
  let sequence: number[] = [];
  return {
    ask(message) {
      if (template === 'minimal') sequence = [];
      const first = sequence.length === 0;
      const asked = encodeUntrusted(tokenizer, { message, tools }, (said) =>
        (first ? opening : following)(said, options),
      );
      return first ? withStart(asked, tokenizer) : [...sequence, ...asked];
    },
    answered(tokens) {
      // `following` closes the turn itself, also one that was interrupted
      const last = tokens.at(-1);
      sequence = last !== undefined && eos.has(last) ? tokens.slice(0, -1) : [...tokens];
    },
    clear() {
      sequence = [];
    },
  };
}

/** What others wrote, while it is rendered. */
interface Said {
  message: string;
  tools: readonly DescribedTool[];
}

function opening({ message, tools }: Said, options: ConversationOptions): string {
  const { template, rules, tokenizer, protocol } = options;
  if (template !== 'chat')
    return renderPrompt({ question: message }, { template, ...(rules !== undefined && { rules: rules(tools) }) });
  if (tokenizer.applyChatTemplate === undefined) {
    throw new UsageError('the model has no chat template', 'take --template base');
  }
  const messages = [...systemMessages(tools, options), { role: 'user', content: message }];
  return tokenizer.applyChatTemplate(messages, {
    addGenerationPrompt: true,
    ...(protocol === 'json' && tools.length > 0 && { tools: definitionsOf(tools) }),
  });
}

function following({ message, tools }: Said, options: ConversationOptions): string {
  if (options.template === 'base') return `\n\nQuestion: ${message}\n`;
  return betweenTurns(options.tokenizer, systemMessages(tools, options))(message);
}

function systemMessages(tools: readonly DescribedTool[], { system, rules }: ConversationOptions) {
  const content = [system, rules?.(tools)].filter((text) => text !== undefined).join('\n\n');
  return content === '' ? [] : [{ role: 'system', content }];
}

/** In a conversation, a turn that ends without call and without `<answer>` is an answer too: nobody is corrected. */
export function chatProtocol(protocol: Protocol, { plain }: { plain: boolean }): Protocol {
  return {
    ...protocol,
    stop: plain ? [] : protocol.stop,
    parse(text, ended) {
      const parsed = plain ? ({ kind: 'none' } as const) : protocol.parse(text, ended);
      return parsed.kind === 'none' && ended ? { kind: 'answer', answer: text.trim() } : parsed;
    },
  };
}
