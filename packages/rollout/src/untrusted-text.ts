import type { Tokenizer } from './policy.js';

/**
 * Tokens of a text that others had a hand in. `render` puts what is theirs (observations, questions, descriptions of tools) into
 * its own (a protocol's wrapping, a chat template), whose special tokens count; one that stands in theirs is text, so that nobody
 * who is not asked ends a turn or begins one. Where theirs has none the result is `tokenizer.encode(render(theirs))`.
 *
 * @param theirs plain data (JSON): strings, and arrays and objects of them, to any depth; keys are text too
 */
export function encodeUntrusted<Theirs>(
  tokenizer: Pick<Tokenizer, 'encode' | 'specialTokens'>,
  theirs: Theirs,
  render: (theirs: Theirs) => string,
): number[] {
  const { specialTokens = [] } = tokenizer;
  if (specialTokens.length === 0) return tokenizer.encode(render(theirs));
  const longestFirst = specialTokens.toSorted((a, b) => b.length - a.length);
  const special = new RegExp(longestFirst.map(escaped).join('|'), 'g');
  // Templates trim, escape and look into messages: while they do, a word of letters stands for each special token.
  let word = 'tapoSpecialToken';
  const said = JSON.stringify(theirs);
  while (said.includes(word)) word += 'x';
  const found: string[] = [];
  const masked = mapTexts(theirs, (text) => text.replace(special, (token) => `${word}${found.push(token) - 1}.`));
  if (found.length === 0) return tokenizer.encode(render(theirs));
  const rendered = render(masked);

  let text = '';
  const literal: [number, number][] = [];
  rendered.split(new RegExp(`${word}(\\d+)\\.`)).forEach((part, i) => {
    const start = text.length;
    if (i % 2 === 0) text += part;
    else literal.push([start, (text += found[Number(part)]).length]);
  });
  return tokenizer.encode(text, { literal });
}

/** The same data with every string, keys of objects included, replaced. */
function mapTexts<Data>(data: Data, replace: (text: string) => string): Data {
  const map = (value: unknown): unknown => {
    if (typeof value === 'string') return replace(value);
    if (Array.isArray(value)) return value.map(map);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [replace(key), map(inner)]));
  };
  return map(data) as Data;
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
