import { isSpace, stripSpace } from './python-text.js';
import type { TextSegment } from './segments.js';

/** What a response amounts to: calls by tool and the answer, or why its format is wrong. */
export type FormatResult =
  { calls: Record<string, number>; answer: string; formatError?: undefined } | { formatError: string };

/**
 * The reference's check, leniency included: a series of `<tag>…</tag>` of allowed tags (any case; opening and closing
 * spelt alike), the last one an answer. Text before a block, forged responses and several answers pass; the last answer
 * counts. An unclosed tag is skipped like text.
 */
export function checkReferenceFormat(response: string, tools: readonly string[]): FormatResult {
  const text = stripSpace(response);
  const calls = noCalls(tools);
  const opening = /<([\p{L}\p{N}_]+)>/gu; // Python's \w
  const neverClosed = new Set<string>();
  let answer = '';
  let last = '';
  for (let position = 0; position < text.length;) {
    const block = nextBlock(text, position, opening, neverClosed);
    if (!block) return { formatError: `no complete block from "${excerpt(text, position)}" on` };
    last = block.tag.toLowerCase();
    if (!isAllowed(last, tools)) return { formatError: `<${block.tag}> is not an allowed block` };
    if (last === 'answer') answer = stripSpace(block.content);
    if (Object.hasOwn(calls, last)) calls[last] = (calls[last] as number) + 1;
    position = skipSpace(text, block.end);
  }
  return last === 'answer'
    ? { calls, answer }
    : { formatError: text === '' ? 'empty response' : 'does not end with <answer>' };
}

/**
 * The same series of blocks, and nothing else: every sampled stretch consists of whole blocks with only space between
 * them, `<response>` comes from the runtime, and there is exactly one `<answer>`, at the end.
 *
 * @param response segments, or the bare text; then a `<response>` passes where it directly follows a tool's block
 */
export function checkStrictFormat(response: string | readonly TextSegment[], tools: readonly string[]): FormatResult {
  const provenance = typeof response !== 'string';
  const segments = provenance ? response.filter((segment) => segment.sampled) : [{ text: response }];
  const calls = noCalls(tools);
  let answer: string | undefined;
  let awaited = false; // a call whose response has not been seen (bare text only)
  for (const { text } of segments) {
    for (let position = skipSpace(text, 0); position < text.length;) {
      const block = blockAt(text, position);
      if (!block) return { formatError: `text outside of blocks: "${excerpt(text, position)}"` };
      const tag = block.tag.toLowerCase();
      if (!isAllowed(tag, tools)) return { formatError: `<${block.tag}> is not an allowed block` };
      if (block.end < 0) return { formatError: `<${block.tag}> is never closed` };
      if (tag === 'response' && !(awaited && !provenance)) return { formatError: 'a <response> that no tool produced' };
      if (answer !== undefined)
        return { formatError: tag === 'answer' ? 'more than one <answer>' : 'text after <answer>' };
      if (tag === 'answer') {
        if (/<answer>/i.test(block.content)) return { formatError: 'more than one <answer>' };
        answer = stripSpace(block.content);
      }
      awaited = Object.hasOwn(calls, tag);
      if (awaited) calls[tag] = (calls[tag] as number) + 1;
      position = skipSpace(text, block.end);
    }
  }
  if (answer !== undefined) return { calls, answer };
  return {
    formatError: segments.every(({ text }) => stripSpace(text) === '')
      ? 'empty response'
      : 'does not end with <answer>',
  };
}

interface Block {
  tag: string;
  content: string;
  /** one past the closing tag; −1 if there is none */
  end: number;
}

/** the block that opens exactly at `position` */
function blockAt(text: string, position: number): Block | undefined {
  const opening = /<([\p{L}\p{N}_.-]+)>/uy;
  opening.lastIndex = position;
  const tag = opening.exec(text)?.[1];
  if (tag === undefined) return undefined;
  const close = text.indexOf(`</${tag}>`, opening.lastIndex);
  if (close < 0) return { tag, content: '', end: -1 };
  return { tag, content: text.slice(opening.lastIndex, close), end: close + tag.length + 3 };
}

/** the first complete block at or after `position` */
function nextBlock(text: string, position: number, opening: RegExp, neverClosed: Set<string>): Block | undefined {
  opening.lastIndex = position;
  for (let match = opening.exec(text); match; match = opening.exec(text)) {
    const tag = match[1] as string;
    const start = opening.lastIndex;
    const close = neverClosed.has(tag) ? -1 : text.indexOf(`</${tag}>`, start);
    if (close >= 0) return { tag, content: text.slice(start, close), end: close + tag.length + 3 };
    neverClosed.add(tag); // not found from here on, so not found later either
  }
  return undefined;
}

function noCalls(tools: readonly string[]): Record<string, number> {
  return Object.fromEntries(tools.map((tool) => [tool, 0]));
}

function isAllowed(tag: string, tools: readonly string[]): boolean {
  return ['think', 'response', 'answer'].includes(tag) || tools.some((tool) => tool.toLowerCase() === tag);
}

function skipSpace(text: string, position: number): number {
  while (position < text.length && isSpace(text.charAt(position))) position++;
  return position;
}

function excerpt(text: string, position: number): string {
  return Array.from(text.slice(position, position + 80))
    .slice(0, 40)
    .join('');
}
