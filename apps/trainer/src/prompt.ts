import { promptRules, renderPrompt } from '@tapo/data';
import type { Problem } from '@tapo/data';
import { encodeUntrusted, jsonProtocol, tagProtocol, toolDefinitions } from '@tapo/rollout';
import type { Protocol, Tokenizer } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { UsageError } from './cli/command.js';
import type { ResolvedConfig } from './config/schema.js';
import { betweenTurns } from './turn-markers.js';

/** How the policy calls tools under this config. JSON calls and their results stand in turns of the model's own chat template. */
export function protocolOf(
  { rollout }: { rollout: Pick<ResolvedConfig['rollout'], 'protocol'> },
  tools: readonly Tool[],
  tokenizer: Tokenizer,
): Protocol {
  if (rollout.protocol === 'tags') return tagProtocol(tools);
  if (tokenizer.applyChatTemplate === undefined) return jsonProtocol(tools);
  const between = betweenTurns(tokenizer);
  const ends = tokenizer.eosTokenIds.map((id) => tokenizer.decode([id]));
  // The policy has closed its turn itself, by the end-of-sequence token.
  const end = ends.find((text) => text !== '' && between('').startsWith(text)) ?? '';
  return jsonProtocol(tools, { wrap: (text) => between(text).slice(end.length) });
}

const jsonRules =
  'Answer the question step by step. Think between <think> and </think>. You have functions; call one only where you ' +
  'need it, several at once if you like. When you are sure, give the answer and nothing else between <answer> and </answer>.';

/** The system message of JSON calls. Where the model's chat template does not tell the tools (SmolLM2's), it does. */
function jsonSystem(tokenizer: Tokenizer, tools: readonly Tool[], rules = jsonRules): string {
  const definitions = toolDefinitions(tools);
  if (definitions.length === 0 || templateKnowsTools(tokenizer, definitions)) return rules;
  return [
    rules,
    '',
    'The functions, one JSON schema a line:',
    '<tools>',
    ...definitions.map((definition) => JSON.stringify(definition)),
    '</tools>',
    'A call is a JSON object with its name and arguments between tags:',
    '<tool_call>',
    '{"name": "...", "arguments": {...}}',
    '</tool_call>',
  ].join('\n');
}

/** True if the chat template renders the tools it is given. */
export function templateKnowsTools({ applyChatTemplate }: Tokenizer, definitions: object[]): boolean {
  const render = (tools: object[]) =>
    applyChatTemplate?.([{ role: 'user', content: 'x' }], { addGenerationPrompt: true, tools });
  return render(definitions) !== render([]);
}

/** What the policy is told first under a config: its own rules, or those of the protocol. */
export function rulesOf(
  {
    data,
    rollout,
  }: { data: Pick<ResolvedConfig['data'], 'rules'>; rollout: Pick<ResolvedConfig['rollout'], 'protocol'> },
  tools: readonly Tool[],
  tokenizer: Tokenizer,
): string {
  return rollout.protocol === 'json' ? jsonSystem(tokenizer, tools, data.rules) : (data.rules ?? promptRules(tools));
}

/** The tokens that the policy continues; special tokens in the question are text. @throws UsageError for a prompt over the limit: it is never cut */
export function promptTokens(
  problem: Problem,
  {
    config,
    tokenizer,
    tools,
  }: { config: Pick<ResolvedConfig, 'data' | 'rollout'>; tokenizer: Tokenizer; tools: readonly Tool[] },
): number[] {
  const { template, rules, maxPromptTokens } = config.data;
  const render = (question: string) =>
    config.rollout.protocol === 'json'
      ? jsonPrompt(question, tokenizer, tools, rules)
      : renderPrompt({ question }, { template, tools, tokenizer, ...(rules !== undefined && { rules }) });
  const asked = encodeUntrusted(tokenizer, [problem.question], ([question = '']) => render(question));
  const tokens = withStart(asked, tokenizer);
  if (tokens.length <= maxPromptTokens) return tokens;
  throw new UsageError(
    `problem ${problem.id}: its prompt has ${tokens.length} tokens, data.maxPromptTokens is ${maxPromptTokens}`,
    'raise data.maxPromptTokens and rollout.maxTokens, or leave the problem out: a prompt is never cut',
  );
}

/** Tools are told by the model's own chat template. */
function jsonPrompt(question: string, tokenizer: Tokenizer, tools: readonly Tool[], rules?: string): string {
  if (tokenizer.applyChatTemplate === undefined) {
    throw new UsageError('rollout.protocol "json" needs a model with a chat template', 'take rollout.protocol "tags"');
  }
  const messages = [
    { role: 'system', content: jsonSystem(tokenizer, tools, rules) },
    { role: 'user', content: question },
  ];
  return tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true, tools: toolDefinitions(tools) });
}

/** Models trained with a beginning-of-sequence token get it, unless their chat template has written it already. */
export function withStart(tokens: number[], { bosTokenId }: Pick<Tokenizer, 'bosTokenId'>): number[] {
  return bosTokenId === undefined || tokens[0] === bosTokenId ? tokens : [bosTokenId, ...tokens];
}
