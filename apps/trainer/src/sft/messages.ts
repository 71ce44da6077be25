import type { Tokenizer } from '@tapo/rollout';
import { type } from 'arktype';
import { conversation } from '../chat/conversation.js';
import { UsageError } from '../cli/command.js';
import { turnEnd } from '../turn-markers.js';

export const messageSchema = type({ role: "'system' | 'user' | 'assistant'", content: 'string > 0' });
type Message = typeof messageSchema.infer;

/**
 * A conversation as the tokens that a policy would have seen and sampled in `tapo chat`: the chat template around contents that are
 * text throughout, special tokens included, and of them only the answers, with the token that ends each, to be learned.
 * @throws UsageError for a model without chat template, and for roles in another order than system? (user assistant)+
 */
export function encodeMessages(
  messages: readonly Message[],
  { tokenizer, place }: { tokenizer: Tokenizer; place: string },
): { tokens: number[]; lossMask: number[] } {
  if (tokenizer.applyChatTemplate === undefined) {
    throw new UsageError(`${place}: "messages" need a model with a chat template`, 'give "segments"');
  }
  const [first, ...rest] = messages;
  const system = first?.role === 'system' ? first.content : undefined;
  const turns = system === undefined ? messages : rest;
  const wrong = turns.findIndex(({ role }, i) => role !== (i % 2 === 0 ? 'user' : 'assistant'));
  if (wrong >= 0 || turns.length === 0 || turns.length % 2 === 1) {
    throw new UsageError(
      `${place}: the roles are ${messages.map(({ role }) => role).join(', ')}`,
      'wanted: system if you like, then user and assistant in turn, an assistant last; results of tools need "segments"',
    );
  }
  const end = turnEnd(tokenizer);
  if (end === undefined) {
    throw new UsageError(
      `${place}: the model's chat template does not close an answer with its end-of-sequence token`,
      'give "segments", with the token that ends an answer in the text',
    );
  }
  const talk = conversation({ template: 'chat', protocol: 'tags', tokenizer, tools: [], system });
  let tokens: number[] = [];
  const lossMask: number[] = [];
  for (let i = 0; i < turns.length; i += 2) {
    const [{ content: question }, { content: answer }] = turns.slice(i, i + 2) as [Message, Message];
    const asked = talk.ask(question);
    tokens = [...asked, ...tokenizer.encode(answer, { literal: [[0, answer.length]] }), end];
    while (lossMask.length < asked.length) lossMask.push(0);
    while (lossMask.length < tokens.length) lossMask.push(1);
    talk.answered(tokens);
  }
  return { tokens, lossMask };
}
