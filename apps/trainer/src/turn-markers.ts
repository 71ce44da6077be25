import type { Tokenizer } from '@tapo/rollout';
import { UsageError } from './cli/command.js';

/** Letters only: nothing that a template could trim, escape or look for. */
const answerMarker = 'tapoAnswerMarker';
const messageMarker = 'tapoMessageMarker';

/**
 * What a model's chat template puts between the end of an answer and the beginning of the next one, as a function of the user's message
 * there: found by rendering a conversation with marked contents. For ChatML: `<|im_end|>\n<|im_start|>user\n…<|im_end|>\n<|im_start|>assistant\n`.
 * @throws UsageError for a template that does not show an earlier answer or the message as it is
 */
export function betweenTurns(
  { applyChatTemplate }: Pick<Tokenizer, 'applyChatTemplate'>,
  before: readonly { role: string; content: string }[] = [],
): (message: string) => string {
  if (applyChatTemplate === undefined)
    throw new UsageError('the model has no chat template', 'take the template "base"');
  const messages = [
    ...before,
    { role: 'user', content: 'x' },
    { role: 'assistant', content: answerMarker },
    { role: 'user', content: messageMarker },
  ];
  const text = applyChatTemplate(messages, { addGenerationPrompt: true });
  const [, after, ...more] = text.split(answerMarker);
  const parts = after?.split(messageMarker);
  if (parts?.length !== 2 || more.length > 0) {
    throw new UsageError(
      "the model's chat template does not render an earlier answer and the next message once each",
      'take the template "base"',
    );
  }
  return (message) => `${parts[0]}${message}${parts[1]}`;
}

/** The end-of-sequence token that closes an answer in the model's chat template; undefined where it is closed in another way. */
export function turnEnd(tokenizer: Tokenizer): number | undefined {
  const after = betweenTurns(tokenizer)('');
  return tokenizer.eosTokenIds.find((id) => {
    const text = tokenizer.decode([id]);
    return text !== '' && after.startsWith(text);
  });
}
