/** Seeded choices for a grammar, so that a finding can be repeated. */
export interface Choices {
  /** uniform in [0, 1) */
  random(): number;
  pick<T>(list: readonly T[]): T;
  /** from 0 to `below` − 1 */
  integer(below: number): number;
}

export function createChoices(seed: number): Choices {
  const random = mulberry32(seed);
  return {
    random,
    pick: <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!,
    integer: (below) => Math.floor(random() * below),
  };
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
