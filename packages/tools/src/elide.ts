/** Where `text` may be cut at `index` without splitting a surrogate pair. */
function cutPoint(text: string, index: number): number {
  const before = text.charCodeAt(index - 1);
  return before >= 0xd800 && before <= 0xdbff ? index - 1 : index;
}

/**
 * Cuts `text` in the middle so that at most `maxLength` UTF-16 units remain, the marker included:
 * the beginning says what it is, the end says how it came out.
 * The result shares no memory with `text`, so a 10 MB output can be collected at once.
 */
export function elide(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const marker = `\n… [${text.length - maxLength} characters left out] …\n`;
  const kept = maxLength - marker.length;
  // V8 slices point into their parent; a trip through a buffer copies
  const copy = (part: string) => Buffer.from(part, 'utf16le').toString('utf16le');
  if (kept < 2) return copy(text.slice(0, cutPoint(text, maxLength)));
  const head = cutPoint(text, Math.ceil(kept / 2));
  const tail = cutPoint(text, text.length - Math.floor(kept / 2));
  // moving the tail's start to the left would lengthen the result: a split pair is dropped instead
  const tailStart = tail < text.length - Math.floor(kept / 2) ? tail + 2 : tail;
  return copy(text.slice(0, head)) + marker + copy(text.slice(tailStart));
}
