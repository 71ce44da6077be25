/** A stretch of text as it is, or a character that would otherwise be invisible, reorder its surroundings or steer a terminal. */
export interface TextPart {
  text: string;
  /** `text` stands for a character: `\u{202e}` */
  escaped: boolean;
}

/** controls but line feed and tab, format characters (bidi overrides, zero width), lone surrogates, line separators */
const hidden = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Cuts a text so that what cannot be seen can be shown. A model's text is hostile: it goes to a page as text nodes of
 * these parts, and to a terminal through `printable`.
 */
export function visibleParts(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let position = 0;
  for (const match of text.matchAll(hidden)) {
    if (match.index > position) parts.push({ text: text.slice(position, match.index), escaped: false });
    parts.push({ text: escapeCharacter(match[0]), escaped: true });
    position = match.index + match[0].length;
  }
  if (position < text.length) parts.push({ text: text.slice(position), escaped: false });
  return parts;
}

/** Text safe to print on a terminal: `\u{1b}` in place of an escape character. */
export function printable(text: string): string {
  return text.replaceAll(hidden, escapeCharacter);
}

/** JSON safe to print on a terminal: the same value, with what `printable` would show by its code as JSON's own escapes. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replaceAll(hidden, (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

function escapeCharacter(character: string): string {
  return `\\u{${(character.codePointAt(0) as number).toString(16)}}`;
}
