const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Text → HTML, safe in element content and in quoted attributes. Characters that are invisible or reorder what is read
 * (controls, bidirectional overrides) are shown by their code point: a model's text must not look like something else.
 */
export function escapeHtml(text: string): string {
  return showInvisible(text).replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}

/** Text → one cell of a Markdown table. */
export function markdownCell(text: string): string {
  return showInvisible(text)
    .replace(/[&<>]/g, (character) => ENTITIES[character] as string)
    .replace(/[\\|`*_[\]]/g, '\\$&')
    .replace(/\s+/g, ' ');
}

/** Text → a fenced block whose fence the text cannot close. */
export function markdownFence(text: string): string {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${showInvisible(text)}\n${fence}`;
}

function showInvisible(text: string): string {
  return text.replace(
    // eslint-disable-next-line no-control-regex
    /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `[U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`,
  );
}
