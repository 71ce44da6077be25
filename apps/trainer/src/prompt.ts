import { promptRules, renderPrompt } from '@tapo/data';
import type { Problem, PromptTool } from '@tapo/data';
import { encodeUntrusted, jsonProtocol, tagProtocol, toolDefinitions } from '@tapo/rollout';
import type { Protocol, Tokenizer } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { UsageError } from './cli/command.js';
import type { ResolvedConfig } from './config/schema.js';
import { betweenTurns, turnEnd } from './turn-markers.js';

/** How the policy calls tools under this config. JSON calls and their results stand in turns of the model's own chat template. */
export function protocolOf(
  { rollout }: { rollout: Pick<ResolvedConfig['rollout'], 'protocol'> },
  tools: readonly Tool[],
  tokenizer: Tokenizer,
): Protocol {
  if (rollout.protocol === 'tags') return tagProtocol(tools);
  if (tokenizer.applyChatTemplate === undefined) return jsonProtocol(tools);
  const between = betweenTurns(tokenizer);
  // The policy has closed its turn itself, by the end-of-sequence token.
  const end = turnEnd(tokenizer);
  const closed = end === undefined ? 0 : tokenizer.decode([end]).length;
  return jsonProtocol(tools, { wrap: (text) => between(text).slice(closed) });
}

/** What rules and chat templates tell of a tool, as plain data: others wrote it (an MCP server), so `encodeUntrusted` must find it. */
export interface DescribedTool extends PromptTool {
  /** for JSON calls, its schema included; a tool called by its tag may have a schema without JSON form */
  definition?: object;
}

export function describeTools(tools: readonly Tool[], protocol: 'tags' | 'json'): DescribedTool[] {
  const definitions = protocol === 'json' ? toolDefinitions(tools) : [];
  return tools.map(({ name, tag, description }, i) => ({
    name,
    ...(tag !== undefined && { tag }),
    description,
    ...(definitions[i] !== undefined && { definition: definitions[i] }),
  }));
}

/** What a chat template is given of tools that are called by JSON. */
export function definitionsOf(tools: readonly DescribedTool[]): object[] {
  return tools.flatMap(({ definition }) => definition ?? []);
}

const jsonRules =
  'Answer the question step by step. Think between <think> and </think>. You have functions; call one only where you ' +
  'need it, several at once if you like. When you are sure, give the answer and nothing else between <answer> and </answer>.';

/** The system message of JSON calls. Where the model's chat template does not tell the tools (SmolLM2's), it does. */
function jsonSystem(tokenizer: Tokenizer, tools: readonly DescribedTool[], rules = jsonRules): string {
  const definitions = definitionsOf(tools);
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
  tools: readonly DescribedTool[],
  tokenizer: Tokenizer,
): string {
  return rollout.protocol === 'json' ? jsonSystem(tokenizer, tools, data.rules) : (data.rules ?? promptRules(tools));
}

/** The tokens that the policy continues; special tokens in the question and in what tools say of themselves are text. @throws UsageError for a prompt over the limit: it is never cut */
export function promptTokens(
  problem: Problem,
  {
    config,
    tokenizer,
    tools,
  }: { config: Pick<ResolvedConfig, 'data' | 'rollout'>; tokenizer: Tokenizer; tools: readonly Tool[] },
): number[] {
  const { template, rules, maxPromptTokens } = config.data;
  const theirs = { question: problem.question, tools: describeTools(tools, config.rollout.protocol) };
  const asked = encodeUntrusted(tokenizer, theirs, (said) =>
    config.rollout.protocol === 'json'
      ? jsonPrompt(said.question, tokenizer, said.tools, rules)
      : renderPrompt(said, { template, tools: said.tools, tokenizer, ...(rules !== undefined && { rules }) }),
  );
  const tokens = withStart(asked, tokenizer);
  if (tokens.length <= maxPromptTokens) return tokens;
  throw new UsageError(
    `problem ${problem.id}: its prompt has ${tokens.length} tokens, data.maxPromptTokens is ${maxPromptTokens}`,
    'raise data.maxPromptTokens and rollout.maxTokens, or leave the problem out: a prompt is never cut',
  );
}

/** Tools are told by the model's own chat template. */
function jsonPrompt(question: string, tokenizer: Tokenizer, tools: readonly DescribedTool[], rules?: string): string {
  if (tokenizer.applyChatTemplate === undefined) {
    throw new UsageError('rollout.protocol "json" needs a model with a chat template', 'take rollout.protocol "tags"');
  }
  const messages = [
    { role: 'system', content: jsonSystem(tokenizer, tools, rules) },
    { role: 'user', content: question },
  ];
  return tokenizer.applyChatTemplate(messages, {
    addGenerationPrompt: true,
    tools: definitionsOf(tools),
  });
}

/** Models trained with a beginning-of-sequence token get it, unless their chat template has written it already. */
export function withStart(tokens: number[], { bosTokenId }: Pick<Tokenizer, 'bosTokenId'>): number[] {
  return bosTokenId === undefined || tokens[0] === bosTokenId ? tokens : [bosTokenId, ...tokens];
}
