import { existsSync } from 'node:fs';
import { join } from 'node:path';
import colors from 'picocolors';
import { createAnswerer } from '../chat/answer.js';
import { chatProtocol, conversation } from '../chat/conversation.js';
import type { ConversationFormat } from '../chat/conversation.js';
import { repl } from '../chat/repl.js';
import type { Command, CommandInput } from '../cli/command.js';
import { integerOption, numberOption, textOption, UsageError } from '../cli/command.js';
import type { ResolvedConfig } from '../config/schema.js';
import { protocolOf, rulesOf, templateKnowsTools } from '../prompt.js';
import type { DescribedTool } from '../prompt.js';
import { configForModel } from '../run-model.js';
import { withSession } from '../session.js';
import { printable } from '../view/visible-text.js';
import type { Tokenizer } from '@tapo/rollout';
import { toolDefinitions } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';

export const chatCommand: Omit<Command, 'summary'> = {
  positionals: {
    'MODEL?': 'a run directory, a model directory, a .gguf file or an id of the hub; default: `model` of the config',
  },
  options: {
    config: { type: 'string', short: 'c', value: 'FILE', description: 'default: the run’s own, or tapo.config.ts' },
    system: { type: 'string', value: 'TEXT', description: 'system message; the rules of the tools follow it' },
    tools: {
      type: 'string',
      value: 'NAMES',
      description: 'comma-separated, or "none"; default: those of the run or config',
    },
    template: {
      type: 'string',
      value: 'NAME',
      description: 'chat, base or minimal; default: the run’s, else chat where the model has a chat template',
    },
    temperature: { type: 'string', value: 'T', description: '0 = greedy (default 0.7)' },
    'max-tokens': { type: 'string', value: 'N', description: 'of one answer, tool results included (default 1024)' },
    seed: { type: 'string', value: 'N', description: 'seed of the draws (default 0)' },
    adapter: { type: 'string', value: 'DIR', description: 'a LoRA adapter over the model, in the layout of PEFT' },
    json: { type: 'boolean', description: 'print one JSON object per answer' },
  },
  overrides: true,
  details:
    'A message a line. /new begins anew, /exit or Ctrl-D ends; Ctrl-C stops the answer, twice ends. Messages may come from a pipe.\n' +
    'What the model writes cannot steer the terminal: control characters are shown as \\u{1b}.',
  examples: [
    'tapo chat runs/quickstart',
    'tapo chat Qwen/Qwen2.5-0.5B-Instruct --tools search,python',
    'tapo chat models/base --adapter runs/lora/checkpoints/step-40/learner/adapter',
    'echo "What is 12 * 13?" | tapo chat SmolLM2-135M-Instruct.Q4_1.gguf --temperature 0 --json',
  ],
  async run(input) {
    const source = input.positionals[0];
    const isRun = source !== undefined && existsSync(join(source, 'checkpoints'));
    const configured = isRun || textOption(input, 'config') !== undefined;
    const asked = askedFor(input); // before a model is loaded
    const config = await chatConfig(input, source, configured);
    const json = input.options['json'] === true;
    return withSession(config, async ({ engine, tools }) => {
      const { policy } = engine;
      const { tokenizer } = policy;
      const format = formatOf(asked, input, config, { tokenizer, tools, configured });
      const talk = conversation({ ...format, tokenizer, tools });
      const protocol = protocolOf({ rollout: format }, tools, tokenizer);
      const interactive = !json && process.stdin.isTTY === true && process.stdout.isTTY === true;
      if (interactive) console.log(greeting(source ?? config.model, engine.description, format, tools));
      const write = (text: string) => void (json || process.stdout.write(text));
      const answerer = createAnswerer({
        policy,
        tools,
        conversation: talk,
        protocol: chatProtocol(protocol, { plain: format.rules === undefined }),
        rollout: { ...config.rollout, temperature: asked.temperature },
        maxTokens: asked.maxTokens,
        seed: asked.seed,
        chunkTokens: config.engine.name === 'local' ? 1 : 64,
        onSampled: (text) => write(printable(text)),
        onObserved: (text) => write(`\n${colors.yellow(indented(printable(text.trim())))}\n`),
      });
      try {
        return await repl({
          answerer,
          conversation: talk,
          input: process.stdin,
          output: process.stdout,
          interactive,
          json,
        });
      } finally {
        await answerer.close();
      }
    });
  },
};

/** What the command line alone decides. @throws UsageError for a value that is none */
function askedFor(input: CommandInput) {
  const template = textOption(input, 'template');
  if (template !== undefined && template !== 'base' && template !== 'chat' && template !== 'minimal') {
    throw new UsageError(`--template is "${template}"`, 'known: chat, base, minimal');
  }
  return {
    template: template as ConversationFormat['template'] | undefined,
    system: textOption(input, 'system'),
    temperature: numberOption(input, 'temperature') ?? 0.7,
    maxTokens: integerOption(input, 'max-tokens', 1) ?? 1024,
    seed: integerOption(input, 'seed') ?? 0,
  };
}

/** The run's or the file's config; a model alone gets no tools, unless they are asked for. */
async function chatConfig(
  input: CommandInput,
  source: string | undefined,
  configured: boolean,
): Promise<ResolvedConfig> {
  const named = textOption(input, 'tools');
  const adapter = textOption(input, 'adapter');
  const tools = named === undefined ? (configured ? undefined : '[]') : toolList(named);
  const overrides = { ...input.overrides, ...(tools !== undefined && { tools }), ...(adapter && { adapter }) };
  const config = await configForModel({ ...input, overrides }, source);
  // nothing is trained: no second model, no fresh adapter
  return { ...config, lora: null, loss: { ...config.loss, klCoefficient: 0 } };
}

/** Names as JSON, as the config has them; JSON is taken as it is. */
function toolList(text: string): string {
  if (text.trimStart().startsWith('[')) return text;
  const names = text.split(',').map((name) => name.trim());
  return JSON.stringify(names.filter((name) => name !== '' && name !== 'none'));
}

interface FormatOptions {
  tokenizer: Tokenizer;
  tools: readonly Tool[];
  /** a run or a config file says how the policy is spoken to */
  configured: boolean;
}

function formatOf(
  { template: named, system }: ReturnType<typeof askedFor>,
  input: CommandInput,
  config: ResolvedConfig,
  { tokenizer, tools, configured }: FormatOptions,
): ConversationFormat {
  const written = configured || input.overrides['data.template'] ? config.data.template : undefined;
  const template = named ?? written ?? (tokenizer.applyChatTemplate === undefined ? 'base' : 'chat');
  if (system !== undefined && template !== 'chat') {
    throw new UsageError(`--system needs the template "chat", this is "${template}"`, 'put it into the message');
  }
  const protocol = protocolFor(input, config, { tokenizer, tools, configured, template });
  const ruled = configured || tools.length > 0 || template === 'base';
  return {
    template,
    system,
    protocol,
    ...(ruled && {
      rules: (described: readonly DescribedTool[]) =>
        rulesOf({ ...config, rollout: { protocol } }, described, tokenizer),
    }),
  };
}

/** The config's; a model alone calls as its chat template teaches it, if that knows tools. */
function protocolFor(
  input: CommandInput,
  { rollout }: ResolvedConfig,
  { tokenizer, tools, configured, template }: FormatOptions & { template: string },
): 'tags' | 'json' {
  if (configured || input.overrides['rollout.protocol'] !== undefined) return rollout.protocol;
  const taught = template === 'chat' && tools.length > 0 && templateKnowsTools(tokenizer, toolDefinitions(tools));
  return taught ? 'json' : 'tags';
}

function greeting(
  model: string,
  description: string,
  { template, protocol }: ConversationFormat,
  tools: readonly Tool[],
): string {
  const names = tools.map(({ name }) => name).join(', ');
  const about = tools.length === 0 ? 'no tools (--tools gives it some)' : `tools: ${names} (${protocol})`;
  return [
    colors.bold(printable(model)),
    colors.dim(`${description}; template ${template}; ${about}`),
    colors.dim('/new begins anew, Ctrl-C stops an answer, Ctrl-D ends'),
  ].join('\n');
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
