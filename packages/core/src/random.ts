/** xoshiro128**'s four 32-bit words: plain JSON, so a checkpoint can hold it. */
export type RandomState = readonly [number, number, number, number];

/** A seeded generator. Same seed, same calls: same numbers on every machine. Not for secrets. */
export interface Random {
  /** uniform in [0, 1), 53 bits */
  next(): number;
  /** uniform integer in [0, n) */
  int(n: number): number;
  /** standard normal; uses two draws */
  normal(): number;
  /** a shuffled copy (Fisher-Yates) */
  shuffle<T>(items: readonly T[]): T[];
  /** An independent generator named by `label`: depends on the present state, does not advance it. */
  fork(label: string | number): Random;
  /** snapshot; `createRandom(state)` goes on from here */
  readonly state: RandomState;
}

/**
 * xoshiro128** seeded through splitmix32; https://prng.di.unimi.it (Blackman & Vigna, public domain).
 *
 * @param seed a safe integer, a text (hashed), or the `state` of another generator
 * @throws if the seed is none of these
 */
export function createRandom(seed: number | string | RandomState): Random {
  const words =
    typeof seed === 'object' ? checkedState(seed) : seedWords(typeof seed === 'string' ? hashSeed(seed) : seed);

  function uint32(): number {
    const [a, b, c, d] = words;
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const c1 = c ^ a;
    const d1 = d ^ b;
    words[0] = (a ^ d1) >>> 0;
    words[1] = (b ^ c1) >>> 0;
    words[2] = (c1 ^ (b << 9)) >>> 0;
    words[3] = rotateLeft(d1, 11) >>> 0;
    return result;
  }

  const random: Random = {
    next: () => ((uint32() >>> 5) * 2 ** 26 + (uint32() >>> 6)) / 2 ** 53,
    int(n) {
      if (!Number.isSafeInteger(n) || n < 1) throw new RangeError(`random.int wants an integer ≥ 1, got ${n}.`);
      return Math.floor(random.next() * n);
    },
    normal: () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next()),
    shuffle<T>(items: readonly T[]): T[] {
      const shuffled = [...items];
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = random.int(i + 1);
        [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
      }
      return shuffled;
    },
    fork: (label) => createRandom(hashSeed(...words, label)),
    get state() {
      return [...words] as const;
    },
  };
  return random;
}

/**
 * A seed (non-negative safe integer, 53 bits) from any key, for example `hashSeed(runSeed, 'step-12', problem.id, 3)`:
 * what is drawn for a key then depends on nothing but the key. The parts' borders count: ('ab', 'c') ≠ ('a', 'bc').
 */
export function hashSeed(...parts: (string | number)[]): number {
  let low = 0x9e3779b9;
  let high = 0x243f6a88;
  for (const unit of JSON.stringify(parts)) {
    const code = unit.codePointAt(0) as number;
    low = Math.imul(low ^ code, 0x01000193); // FNV-1a in two lanes with different multipliers
    high = Math.imul(high ^ code, 0x85ebca6b) ^ (high >>> 13);
  }
  return (mix32(high ^ low) >>> 11) * 2 ** 32 + mix32(low ^ rotateLeft(high, 16));
}

type Words = [number, number, number, number];

function seedWords(seed: number): Words {
  if (!Number.isSafeInteger(seed))
    throw new TypeError(`A seed is a safe integer, a text or a saved state; got ${seed}.`);
  let counter = (seed ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1)) | 0;
  const splitmix32 = (): number => mix32((counter = (counter + 0x9e3779b9) | 0));
  return [splitmix32(), splitmix32(), splitmix32(), splitmix32() || 1]; // all zeros would be stuck
}

function checkedState(state: RandomState): Words {
  const words = [...state];
  const valid = words.length === 4 && words.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32);
  if (!valid || words.every((word) => word === 0)) {
    throw new TypeError(`A random state is four integers in [0, 2^32), not all zero; got ${JSON.stringify(state)}.`);
  }
  return words as Words;
}

/** murmur3's finaliser: every input bit reaches every output bit */
function mix32(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
