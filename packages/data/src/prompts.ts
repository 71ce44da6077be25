import { DataError } from './data-error.js';
import type { Problem } from './problem.js';
import { promptRules } from './prompt-rules.js';
import type { PromptTool } from './prompt-rules.js';

/**
 * `base`: plain text for models without a chat format. `chat`: the model's own chat template, rules as system message.
 * `minimal`: the bare question, for tiny policies that learned the format in their cold start.
 */
export type PromptTemplate = 'base' | 'chat' | 'minimal';

export interface ChatMessage {
  role: 'system' | 'user';
  content: string;
}

/** The part of a tokenizer that the `chat` template needs. */
export interface ChatTokenizer {
  applyChatTemplate?(messages: ChatMessage[], options?: { addGenerationPrompt?: boolean }): string;
}

export interface RenderPromptOptions {
  template?: PromptTemplate;
  /** the enabled tools, in any order; none: reasoning only */
  tools?: readonly PromptTool[];
  /** own instructions instead of the built-in rules of `base` and `chat`: short ones, for a policy that was tuned on them */
  rules?: string;
  /** needed by `chat` */
  tokenizer?: ChatTokenizer;
}

/** Rules as system message, question as user message: for engines that take messages. */
export function promptMessages(
  problem: Pick<Problem, 'question'>,
  { tools = [], rules = promptRules(tools) }: Pick<RenderPromptOptions, 'tools' | 'rules'> = {},
): ChatMessage[] {
  return [
    { role: 'system', content: rules },
    { role: 'user', content: problem.question },
  ];
}

/**
 * The text the policy continues. No beginning-of-sequence token: that is the tokenizer's business.
 *
 * @throws DataError for `chat` without a tokenizer that has a chat template
 */
export function renderPrompt(
  problem: Pick<Problem, 'question'>,
  { template = 'base', tools = [], rules = promptRules(tools), tokenizer }: RenderPromptOptions = {},
): string {
  switch (template) {
    case 'minimal':
      return problem.question;
    case 'base':
      return `${rules}\n\nNow it is your turn.\nQuestion: ${problem.question}\n`;
    case 'chat':
      if (!tokenizer?.applyChatTemplate) {
        throw new DataError(
          'the prompt template "chat" needs a tokenizer with a chat template, got ' +
            `${tokenizer ? 'one without' : 'no tokenizer'}. Take the template "base" for base models`,
        );
      }
      return tokenizer.applyChatTemplate(promptMessages(problem, { rules }), { addGenerationPrompt: true });
  }
}
