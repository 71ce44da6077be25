import { inputJsonSchema } from '@tapo/tools';
import type { Tool } from '@tapo/tools';
import type { ParsedCall, ParsedTurn, Protocol } from './protocol.js';
import type { TextSegment } from './trajectory-builder.js';

export interface JsonProtocolOptions {
  /** what stands around the runtime's text; default: a user turn of ChatML, as Qwen2.5 and Hermes know it */
  wrap?: (text: string) => string;
  correction?: string;
  exhausted?: string;
}

/**
 * Function calls as JSON, as Hermes and Qwen models write them: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, as many
 * as they like in one turn, which then run in parallel; results come back as `<tool_response>` in a turn of their own. The
 * final answer stays `<answer>…</answer>`. The prompt must list the tools: give `toolDefinitions` to the chat template.
 */
export function jsonProtocol(tools: readonly Tool[], options: JsonProtocolOptions = {}): Protocol {
  const {
    wrap = (text) => `\n<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`,
    correction = 'Neither a complete tool call nor an answer was found. Use <tool_call>{"name": ..., "arguments": {...}}</tool_call> or <answer>...</answer>. Try again.',
    exhausted = 'Attempts used up. Answer now.',
  } = options;
  return {
    stop: ['</answer>'],
    parse: parseTurn,
    observation: (observations) =>
      wrap(observations.map((text) => `<tool_response>\n${text}\n</tool_response>`).join('\n')),
    correction: wrap(correction),
    exhausted,
    asTags: (sampled, calls) => callsAsTags(sampled, calls),
    tagNames: tools.map(({ name }) => name.toLowerCase()),
  };
}

/** The tools in the form chat templates expect (`{type: 'function', function: {name, description, parameters}}`). */
export function toolDefinitions(tools: readonly Tool[]): object[] {
  return tools.map((tool) => ({
    type: 'function',
    function: { name: tool.name, description: tool.description, parameters: inputJsonSchema(tool) },
  }));
}

/** A block outside of `<think>`; an unclosed `<think>` reaches to the end. */
const blocks = /<think>[^]*?(?:<\/think>|$)|<tool_call>([^]*?)<\/tool_call>|<answer>([^]*?)<\/answer>/g;

/** Calls count once the turn has ended, since more may follow; an answer counts unless a call came before it. */
function parseTurn(text: string, ended: boolean): ParsedTurn {
  const calls: ParsedCall[] = [];
  for (const [, call, answer] of text.matchAll(blocks)) {
    if (call !== undefined) calls.push(parseCall(call));
    else if (answer !== undefined) {
      if (calls.length === 0) return { kind: 'answer', answer: answer.trim() };
      break;
    }
  }
  return ended && calls.length > 0 ? { kind: 'calls', calls } : { kind: 'none' };
}

function parseCall(text: string): ParsedCall {
  const input = text.trim();
  let value: unknown;
  try {
    value = JSON.parse(input);
  } catch (error) {
    return { tool: '', input, problem: `The call is not valid JSON: ${(error as Error).message}` };
  }
  const { name, arguments: given = {} } = (typeof value === 'object' && value !== null ? value : {}) as {
    name?: unknown;
    arguments?: unknown;
  };
  if (typeof name !== 'string') {
    return { tool: '', input, problem: 'The call has no name. Write {"name": "...", "arguments": {...}}.' };
  }
  return { tool: name, input: JSON.stringify(given), arguments: given };
}

/** The turn as the paper's tags would have it: what scorers and readers of traces know. */
function callsAsTags(
  sampled: string,
  calls: readonly { tool: string; input: string; observation: string }[],
): TextSegment[] {
  let next = 0;
  const segments: TextSegment[] = [];
  let rest = 0;
  for (const match of sampled.matchAll(blocks)) {
    const call = match[1] === undefined ? undefined : calls[next];
    if (call === undefined) continue;
    next++;
    const tag = call.tool === '' ? 'tool_call' : call.tool.toLowerCase();
    const before = sampled.slice(rest, match.index);
    rest = match.index + match[0].length;
    segments.push({ text: `${before}<${tag}>${call.input}</${tag}>`, sampled: true });
    segments.push({ text: `\n\n<response>${call.observation}</response>\n\n`, sampled: false });
  }
  return [...segments, { text: sampled.slice(rest), sampled: true }].filter(({ text }) => text !== '');
}
