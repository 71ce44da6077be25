import type { Tool } from '@tapo/tools';
import type { ParsedTurn, Protocol } from './protocol.js';

export interface TagProtocolOptions {
  /** what a turn without a call and without an answer is told; default: which tags exist, try again */
  correction?: string;
  /** what a call is told once the attempts are used up */
  exhausted?: string;
}

/**
 * The paper's protocol (TAPO, arXiv 2510.07038): `<search>query</search>`, `<code>python</code>`, `<answer>…</answer>`;
 * the runtime answers with `\n\n<response>result</response>\n\n`. Each tool's tag is `tool.tag ?? tool.name`.
 */
export function tagProtocol(tools: readonly Tool[], options: TagProtocolOptions = {}): Protocol {
  const tags = tagsOf(tools);
  const { correction = defaultCorrection([...tags.keys()]), exhausted = 'Attempts used up. Answer now.' } = options;
  const wrap = (text: string) => `\n\n<response>${text}</response>\n\n`;
  return {
    stop: [...tags.keys(), 'answer'].flatMap(closingTags),
    parse: (turnText) => parseTags(turnText, tags),
    observation: (observations) => observations.map(wrap).join(''),
    correction: wrap(correction),
    exhausted,
    tagNames: [...tags.keys()],
  };
}

/** Lower-cased tag → tool name. Two tools with one tag could never be told apart, so that is an error. */
function tagsOf(tools: readonly Tool[]): Map<string, string> {
  const tags = new Map<string, string>();
  for (const { name, tag = name } of tools) {
    if (typeof tag !== 'string') throw new TypeError('a tool has no name; give each {name, description, execute}');
    const key = tag.toLowerCase();
    if (!/^[a-z][\w.-]*$/.test(key)) throw new Error(`tool ${name}: "${tag}" is not a tag name; set tool.tag`);
    if (key === 'think' || key === 'answer' || key === 'response') {
      throw new Error(`tool ${name}: the tag <${tag}> is reserved; set another tool.tag`);
    }
    const other = tags.get(key);
    if (other !== undefined) throw new Error(`tools ${other} and ${name} share the tag <${tag}>; set another tool.tag`);
    tags.set(key, name);
  }
  return tags;
}

/**
 * The earliest complete call or answer: the one whose closing tag comes first. Its text runs from the first opening tag
 * of that name. As in the scorer, tags count in any case, opening and closing spelt alike, without attributes. What is
 * opened inside an open `<think>` is text; a `<think>` inside an open block is that block's text as long as the block is closed.
 */
function parseTags(text: string, tags: ReadonlyMap<string, string>): ParsedTurn {
  const opened = new Map<string, number>();
  let thinking: string | undefined;
  for (const match of text.matchAll(/<(\/?)([a-z][\w.-]*)>/gi)) {
    const tag = match[2] as string;
    const name = tag.toLowerCase();
    const closing = match[1] === '/';
    if (name === 'think') {
      if (!closing) thinking ??= tag;
      else if (thinking === tag) thinking = undefined;
    } else if (name !== 'answer' && !tags.has(name)) continue;
    else if (!closing && thinking === undefined && !opened.has(tag)) opened.set(tag, match.index + match[0].length);
    else if (closing && opened.has(tag)) {
      const input = text.slice(opened.get(tag), match.index);
      if (name === 'answer') return { kind: 'answer', answer: input.trim() };
      return { kind: 'calls', calls: [{ tool: tags.get(name) as string, input }] };
    }
  }
  return { kind: 'none' };
}

/** Policies match stop strings exactly, the scorer ignores case: the spellings that occur are listed. */
function closingTags(name: string): string[] {
  const spellings = [name, name.charAt(0).toUpperCase() + name.slice(1), name.toUpperCase()];
  return [...new Set(spellings)].map((spelling) => `</${spelling}>`);
}

function defaultCorrection(tags: readonly string[]): string {
  const blocks = [...tags, 'answer'].map((tag) => `<${tag}>...</${tag}>`);
  return `Neither a tool call nor an answer was found. Use ${blocks.join(' or ')}. Try again.`;
}
