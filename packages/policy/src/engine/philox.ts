/**
 * A counter-based random generator, Philox2x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"):
 * the draw is a function of (seed, position) alone, so it cannot depend on what else was sampled, or when.
 */
export function uniform(seed: number, position: number): number {
  const [low, high] = philox2x32(position >>> 0, Math.floor(seed / 4294967296) >>> 0, seed >>> 0);
  // 53 bits, as Math.random has, in [0, 1)
  return ((low >>> 5) * 67108864 + (high >>> 6)) / 9007199254740992;
}

/** Two 32-bit words of the counter (`left`, `right`) under `key`, ten rounds. */
export function philox2x32(left: number, right: number, key: number): [number, number] {
  for (let round = 0; round < 10; round++) {
    const high = multiplyHigh(MULTIPLIER, left);
    const low = Math.imul(MULTIPLIER, left) >>> 0;
    left = (high ^ key ^ right) >>> 0;
    right = low;
    key = (key + WEYL) >>> 0;
  }
  return [left, right];
}

const MULTIPLIER = 0xd256d193;
const WEYL = 0x9e3779b9;

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const carry = aLow * bHigh + ((aLow * bLow) >>> 16);
  const middle = aHigh * bLow + (carry & 0xffff);
  return aHigh * bHigh + Math.floor(carry / 65536) + Math.floor(middle / 65536);
}
