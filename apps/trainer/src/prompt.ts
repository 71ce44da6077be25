import { renderPrompt } from '@tapo/data';
import type { Problem } from '@tapo/data';
import { jsonProtocol, tagProtocol, toolDefinitions } from '@tapo/rollout';
import type { Protocol, Tokenizer } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { UsageError } from './cli/command.js';
import type { ResolvedConfig } from './config/schema.js';

/** How the policy calls tools under this config. */
export function protocolOf({ rollout }: Pick<ResolvedConfig, 'rollout'>, tools: readonly Tool[]): Protocol {
  return rollout.protocol === 'json' ? jsonProtocol(tools) : tagProtocol(tools);
}

const jsonRules =
  'Answer the question step by step. Think between <think> and </think>. You have functions; call one only where you ' +
  'need it, several at once if you like. When you are sure, give the answer and nothing else between <answer> and </answer>.';

/** The tokens that the policy continues. @throws UsageError for a prompt over the limit: it is never cut */
export function promptTokens(
  problem: Problem,
  {
    config,
    tokenizer,
    tools,
  }: { config: Pick<ResolvedConfig, 'data' | 'rollout'>; tokenizer: Tokenizer; tools: readonly Tool[] },
): number[] {
  const { template, rules, maxPromptTokens } = config.data;
  const text =
    config.rollout.protocol === 'json'
      ? jsonPrompt(problem, tokenizer, tools, rules)
      : renderPrompt(problem, { template, tools, tokenizer, ...(rules !== undefined && { rules }) });
  const tokens = tokenizer.encode(text);
  if (tokens.length <= maxPromptTokens) return tokens;
  throw new UsageError(
    `problem ${problem.id}: its prompt has ${tokens.length} tokens, data.maxPromptTokens is ${maxPromptTokens}`,
    'raise data.maxPromptTokens and rollout.maxTokens, or leave the problem out: a prompt is never cut',
  );
}

/** Tools are told by the model's own chat template. */
function jsonPrompt({ question }: Problem, tokenizer: Tokenizer, tools: readonly Tool[], rules = jsonRules): string {
  if (tokenizer.applyChatTemplate === undefined) {
    throw new UsageError('rollout.protocol "json" needs a model with a chat template', 'take rollout.protocol "tags"');
  }
  const messages = [
    { role: 'system', content: rules },
    { role: 'user', content: question },
  ];
  return tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true, tools: toolDefinitions(tools) });
}
