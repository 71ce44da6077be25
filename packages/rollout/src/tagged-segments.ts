import type { Trajectory } from '@tapo/core';
import type { Tokenizer } from './policy.js';
import type { Protocol } from './protocol.js';
import { textSegments } from './trajectory-builder.js';
import type { TextSegment } from './trajectory-builder.js';

/**
 * The text after the prompt in the paper's tags, whatever the protocol: what scorers judge. For the tag protocol these are
 * the `textSegments` themselves; JSON calls are rewritten, each followed by its response.
 */
export function taggedSegments(
  trajectory: Pick<Trajectory, 'tokens' | 'lossMask' | 'promptLength' | 'turns'>,
  { tokenizer, protocol }: { tokenizer: Pick<Tokenizer, 'decode'>; protocol: Pick<Protocol, 'asTags'> },
): TextSegment[] {
  const { asTags } = protocol;
  if (asTags === undefined) return textSegments(trajectory, tokenizer);
  return trajectory.turns.flatMap(({ start, end, calls, corrected }, turn) => {
    const sampled = tokenizer.decode(trajectory.tokens.slice(start, end));
    if (!corrected) return asTags(sampled, calls);
    const observed = trajectory.tokens.slice(end, trajectory.turns[turn + 1]?.start);
    return [
      { text: sampled, sampled: true },
      { text: tokenizer.decode(observed), sampled: false },
    ];
  });
}
