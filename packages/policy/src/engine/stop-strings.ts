/** Detects stop strings in a stream of tokens, byte by byte, whatever the boundaries between tokens. */
export interface StopMatcher {
  /** true when the token completes a stop string */
  push(token: number): boolean;
}

/**
 * A factory over the bytes of each token, as strings of one character (U+0000 to U+00FF) per byte.
 * Strings must lie within the pushed tokens; a token may complete one in its middle.
 */
export function stopMatchers(pieces: readonly string[]): (stop: readonly string[]) => StopMatcher {
  const prepared = new Map<string, { stop: string[]; longest: number; mayComplete: Uint8Array }>();

  function prepare(strings: readonly string[]) {
    const key = JSON.stringify(strings);
    const known = prepared.get(key);
    if (known) return known;
    const stop = strings.filter((string) => string !== '').map(toByteString);
    const lastBytes = [...new Set(stop.map((string) => string.at(-1) as string))];
    const mayComplete = Uint8Array.from(pieces, (piece) => (lastBytes.some((byte) => piece.includes(byte)) ? 1 : 0));
    const made = { stop, longest: Math.max(0, ...stop.map((string) => string.length)), mayComplete };
    if (prepared.size > 100) prepared.clear();
    prepared.set(key, made);
    return made;
  }

  return (strings) => {
    const { stop, longest, mayComplete } = prepare(strings);
    let tail = '';
    return {
      push(token) {
        if (longest === 0) return false;
        const piece = pieces[token] ?? '';
        const text = tail + piece;
        tail = text.length < longest ? text : text.slice(text.length - longest + 1);
        return mayComplete[token] === 1 && stop.some((string) => text.includes(string));
      },
    };
  };
}

/** UTF-8 bytes of a text, one character per byte. */
export function toByteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
