import type { TrajectoryRecord } from '../trajectory-records.js';
import type { TokenColumns } from './protocol.js';

/** Bytes behind a token id. */
export type TokenBytes = (token: number) => Uint8Array;

/**
 * The columns of one trajectory, and the text of every token where the run's tokenizer is at hand. A record may lack
 * columns: then it has no tokens.
 */
export function tokenColumns(
  record: Partial<TrajectoryRecord>,
  { config, tokenBytes }: { config: Record<string, unknown> | null; tokenBytes: TokenBytes | undefined },
): TokenColumns {
  const { tokens = [], lossMask = [], rolloutLogprobs = [], promptLength = 0 } = record;
  const { oldLogprobs, logprobs, advantage } = record;
  const loss = (config?.['loss'] ?? {}) as Record<string, unknown>;
  const limit = (value: unknown, otherwise: number) => (typeof value === 'number' ? value : otherwise);
  return {
    tokens,
    texts: tokenBytes ? tokenTexts(tokens, tokenBytes) : null,
    lossMask,
    rolloutLogprobs,
    oldLogprobs: oldLogprobs ?? null,
    logprobs: logprobs ?? null,
    advantage: advantage ?? null,
    promptLength,
    clip: {
      low: limit(loss['clipLow'], 0.2),
      high: limit(loss['clipHigh'], 0.28),
      dual: loss['dualClip'] === null ? null : limit(loss['dualClip'], 10),
    },
  };
}

/** A UTF-8 character may be spread over tokens: its text goes to the first of them, the others get none. */
export function tokenTexts(tokens: readonly number[], tokenBytes: TokenBytes): string[] {
  const texts: string[] = tokens.map(() => '');
  for (let start = 0, end = 0; start < tokens.length; start = end) {
    const bytes: number[] = [];
    do bytes.push(...tokenBytes(tokens[end++] as number));
    while (end < tokens.length && missingBytes(bytes) > 0);
    texts[start] = decoder.decode(Uint8Array.from(bytes));
  }
  return texts;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** How many bytes the last character still needs; 0 when it is complete or no UTF-8. */
function missingBytes(bytes: readonly number[]): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte >= 0xf0) return 4 - back;
    if (byte >= 0xe0) return 3 - back;
    if (byte >= 0xc0) return 2 - back;
    if (byte < 0x80) return 0;
  }
  return 0;
}
