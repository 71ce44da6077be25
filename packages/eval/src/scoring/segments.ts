/** A stretch of a response, written by the policy (`sampled`) or by the runtime. `textSegments` of @tapo/rollout makes them. */
export interface TextSegment {
  text: string;
  sampled: boolean;
}

/**
 * Cuts a response at its genuine observations (texts between `<response>` and `</response>`, in order). Everything else
 * counts as sampled, so a response that no tool produced stays visible as the policy's own text.
 */
export function segmentsFromObservations(response: string, observations: readonly string[]): TextSegment[] {
  const segments: TextSegment[] = [];
  let position = 0;
  for (const observation of observations) {
    const block = `<response>${observation}</response>`;
    const start = response.indexOf(block, position);
    if (start < 0) continue; // noted by the runtime, but no budget was left to append it
    segments.push({ text: response.slice(position, start), sampled: true }, { text: block, sampled: false });
    position = start + block.length;
  }
  return [...segments, { text: response.slice(position), sampled: true }];
}
