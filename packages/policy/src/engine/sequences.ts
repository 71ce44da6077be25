/** Which sequences there are, which of them have a place in the cache, and who has to make room. */
import type { CacheRow, KvCacheMemory } from './kv-cache.js';
import type { StopMatcher } from './stop-strings.js';
import type { SampleRequest, SampleResult } from './types.js';

/** A request in progress. */
export interface ActiveRequest {
  options: SampleRequest;
  /** most tokens to sample */
  limit: number;
  tokens: number[];
  logprobs: number[];
  stop: StopMatcher;
  resolve(result: SampleResult): void;
  reject(error: unknown): void;
}

export interface Sequence {
  readonly id: string;
  /** all tokens known so far: given or sampled */
  tokens: number[];
  /** how many of them have their keys and values in `row` */
  cached: number;
  row?: CacheRow<Sequence> | undefined;
  request?: ActiveRequest | undefined;
  /** waits until `from` has computed the `positions` that both share, then copies them */
  prefix?: { from: Sequence; positions: number } | undefined;
  lastUsed: number;
}

/** Prefixes shorter than this are computed, not copied. */
const MIN_SHARED_POSITIONS = 8;

export function createSequences(cache: KvCacheMemory<Sequence>) {
  const byId = new Map<string, Sequence>();
  /** have a request; in order of arrival */
  const active = new Set<Sequence>();
  /** forgotten, with their rows still in place */
  const departed: Sequence[] = [];
  let clock = 0;
  let evictions = 0;

  function forgetRow(sequence: Sequence): void {
    if (sequence.row) cache.remove(sequence.row);
    sequence.row = undefined;
    dropCache(sequence);
  }

  /**
   * Makes room for `action` until it succeeds: by freeing empty blocks, then by dropping idle sequences, longest idle
   * first, then active ones that came after `sequence`, so that the first of them always gets on.
   */
  function makingRoom<T>(sequence: Sequence, action: () => T | undefined): T | undefined {
    let result = action();
    if (result !== undefined) return result;
    cache.trim();
    const idle = [...byId.values()].filter(({ row, request }) => row && !request);
    idle.sort((a, b) => a.lastUsed - b.lastUsed);
    const arrived = [...active];
    const later = arrived.slice(arrived.indexOf(sequence) + 1).filter(({ row }) => row);
    for (const other of [...idle, ...later.toReversed()]) {
      result = action();
      if (result !== undefined) return result;
      forgetRow(other);
      evictions++;
      cache.trim();
    }
    return action();
  }

  /** Gives the sequence a row that has room for one more position. False when there is none. */
  function ensureRow(sequence: Sequence): boolean {
    const { row, cached } = sequence;
    if (row && cached < row.pool.capacity) return true;
    const found = makingRoom(sequence, () => (row ? cache.grow(row) : cache.place(sequence, cached + 1)));
    if (found) sequence.row = found;
    return found !== undefined;
  }

  /** The sequence that shares the longest prefix with `tokens`, among those that have or will have it cached. */
  function findPrefix(sequence: Sequence): Sequence['prefix'] {
    let best: Sequence['prefix'];
    for (const from of byId.values()) {
      if (from === sequence || !(from.row || from.request) || from.prefix) continue;
      const reach = from.request ? from.tokens.length : from.cached;
      const most = Math.min(reach, sequence.tokens.length - 1);
      if (most <= (best?.positions ?? MIN_SHARED_POSITIONS - 1)) continue;
      const positions = commonPrefix(from.tokens, sequence.tokens, most);
      if (positions > (best?.positions ?? MIN_SHARED_POSITIONS - 1)) best = { from, positions };
    }
    return best;
  }

  /** True once the shared prefix is copied or can no longer be had. */
  function receivePrefix(sequence: Sequence): boolean {
    const { from, positions } = sequence.prefix as NonNullable<Sequence['prefix']>;
    const available = hasPrefix(from, sequence, positions);
    if (!available && from.request) return false;
    sequence.prefix = undefined;
    if (!available) return true;
    const row = makingRoom(sequence, () => cache.place(sequence, positions + 1));
    if (!row) return true;
    sequence.row = row;
    // Making room may have dropped the giver.
    if (hasPrefix(from, sequence, positions)) {
      cache.copyPositions(from.row as CacheRow<Sequence>, row, positions);
      sequence.cached = positions;
    }
    return true;
  }

  function tooSmall({ tokens, cached }: Sequence): Error {
    const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    return new Error(
      `the KV cache is too small for a sequence of ${tokens.length} tokens: position ${cached} needs a block of ` +
        `${megabytes(cache.blockBytes(cached + 1))}, maxCacheBytes is ${megabytes(cache.maxBytes)}; raise it, or lower maxRows`,
    );
  }

  return {
    get: (id: string) => byId.get(id),
    all: (): Iterable<Sequence> => byId.values(),
    active: (): Sequence[] => [...active],
    /** sequences that lost their cached positions to make room */
    get evictions() {
      return evictions;
    },

    /** Finds or makes the sequence; what is cached of a different continuation is given up. */
    enter(id: string, tokens: readonly number[], request: ActiveRequest): Sequence {
      let sequence = byId.get(id);
      if (!sequence) byId.set(id, (sequence = { id, tokens: [], cached: 0, lastUsed: 0 }));
      // The last token is always fed: its logits are what is sampled from.
      sequence.cached = commonPrefix(sequence.tokens, tokens, Math.min(sequence.cached, tokens.length - 1));
      sequence.tokens = [...tokens];
      sequence.request = request;
      sequence.lastUsed = ++clock;
      if (!sequence.row) sequence.prefix = findPrefix(sequence);
      active.add(sequence);
      return sequence;
    },

    /**
     * Sees to it that every active sequence that can go on has a row with room for its next position.
     * @param refuse called for a sequence that the cache cannot hold even alone
     * @returns false when there is nothing left to do
     */
    admit(refuse: (sequence: Sequence, error: Error) => void): boolean {
      let placed = 0;
      for (const sequence of active) {
        if (sequence.prefix && !receivePrefix(sequence)) continue;
        if (ensureRow(sequence)) placed++;
        // No room, not even without idle sequences and later arrivals: wait without a row, so that earlier ones can finish.
        else if (placed > 0) forgetRow(sequence);
        else refuse(sequence, tooSmall(sequence));
      }
      return active.size > 0;
    },

    /** The request is over; the cache stays for the next one. */
    retire(sequence: Sequence): void {
      sequence.request = undefined;
      sequence.prefix = undefined;
      sequence.lastUsed = ++clock;
      active.delete(sequence);
    },

    /** Its row stays until `removeDeparted`: a step under way may write to rows, which must not move meanwhile. */
    forget(sequence: Sequence): void {
      byId.delete(sequence.id);
      departed.push(sequence);
    },

    removeDeparted(): void {
      for (const sequence of departed.splice(0)) forgetRow(sequence);
    },
  };
}

/** Whatever is cached of the sequence counts no more. */
export function dropCache(sequence: Sequence): void {
  sequence.cached = 0;
}

function hasPrefix(from: Sequence, sequence: Sequence, positions: number): boolean {
  if (!from.row || from.cached < positions) return false;
  return commonPrefix(from.tokens, sequence.tokens, positions) === positions;
}

function commonPrefix(a: readonly number[], b: readonly number[], most: number): number {
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}
