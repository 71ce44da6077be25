/** Chat templates: Jinja programs that models ship to turn messages into prompt text. */
import { Template } from '@huggingface/jinja';

export interface ChatMessage {
  role: string;
  content: string;
}

export interface ChatTemplateOptions {
  /** end with the header of an assistant turn, so that the model continues with its answer */
  addGenerationPrompt?: boolean;
  /** tool schemas, for templates that know tools */
  tools?: unknown[];
}

/** Renders messages to text. */
export type ChatTemplate = (messages: ChatMessage[], options?: ChatTemplateOptions) => string;

/** The fields of `tokenizer_config.json` used here. Tokens are strings or `{content}` objects. */
export interface TokenizerConfigJson {
  chat_template?: string | { name: string; template: string }[] | null;
  [field: string]: unknown;
}

/**
 * Compiles the template of `tokenizer_config.json`, or the text of `chat_template.jinja`, which wins.
 * @returns undefined when the model has none (a base model)
 */
export function compileChatTemplate(
  config: TokenizerConfigJson,
  { templateFile, source }: { templateFile?: string; source: string },
): ChatTemplate | undefined {
  const named = config.chat_template;
  const pick = (name: string) =>
    Array.isArray(named) ? named.find((entry) => entry.name === name)?.template : undefined;
  const text = templateFile ?? (typeof named === 'string' ? named : pick('default'));
  if (!text) return undefined;
  const template = parse(text, source);
  const toolText = templateFile ? undefined : pick('tool_use');
  const toolTemplate = toolText ? parse(toolText, source) : template;
  const specialTokens: Record<string, string> = {};
  for (const [name, value] of Object.entries(config)) {
    const content = tokenContent(value);
    if (name.endsWith('_token') && content !== undefined) specialTokens[name] = content;
  }
  return (messages, { addGenerationPrompt = false, tools } = {}) => {
    const chosen = tools?.length ? toolTemplate : template;
    try {
      return chosen.render({
        messages,
        tools: tools ?? null,
        add_generation_prompt: addGenerationPrompt,
        ...specialTokens,
      });
    } catch (cause) {
      throw new Error(`${source}: the chat template refused these messages: ${(cause as Error).message}`, { cause });
    }
  };
}

/** A token of tokenizer_config.json as text, whichever way it is written. */
export function tokenContent(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

function parse(text: string, source: string): Template {
  try {
    return new Template(text);
  } catch (cause) {
    throw new Error(`${source}: the chat template does not parse: ${(cause as Error).message}`, { cause });
  }
}
