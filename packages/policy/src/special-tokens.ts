/** Special tokens (ends of turns and texts): where the text that spells them stands for them, and where it is only text. */
import type { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';

/** A stretch of text, `[start, end)` in UTF-16 code units. */
export type Span = readonly [start: number, end: number];

/** What @huggingface/tokenizers 0.2.0 cuts a text with, before it merges what lies between. */
interface Splitting {
  splitter_unnormalized: Splitter;
  splitter_normalized: Splitter;
  added_tokens_map: ReadonlyMap<string, unknown>;
}

interface Splitter {
  /** Sections that, joined, are `text`: added tokens and what lies between them. */
  split(text: string): string[];
}

/**
 * The same tokenizer, except that a special token is text where it meets one of the spans: Python's `split_special_tokens`, for a part
 * of the text. Added tokens that are not special (`<tool_call>`, runs of spaces) stay tokens.
 */
export function withLiteralSpans(
  inner: HuggingFaceTokenizer,
  special: ReadonlySet<string>,
  spans: readonly Span[],
): HuggingFaceTokenizer {
  const { splitter_unnormalized, splitter_normalized, added_tokens_map } = inner as unknown as Splitting;
  const isLiteral = (start: number, end: number) => spans.some(([from, to]) => start < to && from < end);
  const joining = (splitter: Splitter, isText: (section: string, start: number) => boolean): Splitter => ({
    split(text) {
      const sections: { text: string; token: boolean }[] = [];
      let start = 0;
      for (const section of splitter.split(text)) {
        const token = added_tokens_map.has(section) && !(special.has(section) && isText(section, start));
        const last = sections.at(-1);
        if (token || !last || last.token) sections.push({ text: section, token });
        else last.text += section;
        start += section.length;
      }
      // A section that spells a token is taken for one: cut in two it spells none.
      return sections.flatMap(({ text: section, token }) =>
        !token && added_tokens_map.has(section) ? [section.slice(0, 1), section.slice(1)] : [section],
      );
    },
  });
  const overrides: Pick<Splitting, 'splitter_unnormalized' | 'splitter_normalized'> = {
    splitter_unnormalized: joining(splitter_unnormalized, (section, start) => isLiteral(start, start + section.length)),
    // places in normalised text are not known: all special tokens of that kind are text
    splitter_normalized: joining(splitter_normalized, () => true),
  };
  return Object.assign(Object.create(inner) as HuggingFaceTokenizer, overrides);
}
