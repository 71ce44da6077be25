import type { Tokenizer } from './policy.js';

/**
 * Tokens of a text that others had a hand in. `render` puts their texts (observations, questions) into its own (a protocol's
 * wrapping, a chat template), whose special tokens count; one that stands in theirs is text, so that nobody who is not asked
 * ends a turn or begins one. Where theirs have none the result is `tokenizer.encode(render(texts))`.
 */
export function encodeUntrusted(
  tokenizer: Pick<Tokenizer, 'encode' | 'specialTokens'>,
  texts: readonly string[],
  render: (texts: readonly string[]) => string,
): number[] {
  const { specialTokens = [] } = tokenizer;
  const special = new RegExp(
    specialTokens
      .toSorted((a, b) => b.length - a.length)
      .map(escaped)
      .join('|'),
    'g',
  );
  if (specialTokens.length === 0 || !texts.some((text) => text.search(special) >= 0)) {
    return tokenizer.encode(render(texts));
  }
  // Templates trim, escape and look into messages: while they do, a word of letters stands for each special token.
  let word = 'tapoSpecialToken';
  while (texts.some((text) => text.includes(word))) word += 'x';
  const found: string[] = [];
  const rendered = render(texts.map((text) => text.replace(special, (token) => `${word}${found.push(token) - 1}.`)));

  let text = '';
  const literal: [number, number][] = [];
  rendered.split(new RegExp(`${word}(\\d+)\\.`)).forEach((part, i) => {
    const start = text.length;
    if (i % 2 === 0) text += part;
    else literal.push([start, (text += found[Number(part)]).length]);
  });
  return tokenizer.encode(text, { literal });
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
