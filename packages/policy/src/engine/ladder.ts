/**
 * Lengths that arrays are padded to. A ladder keeps the number of different shapes small, hence of compiled functions,
 * and depends on nothing but the length, so that results don't either.
 */

/** Smallest rung that holds `length`: 32, 64, 96, 128, then 3/4 and 1 of each power of two (192, 256, 384, 512, …). */
export function paddedLength(length: number): number {
  let rung = 32;
  while (rung < length) rung = nextCapacity(rung);
  return rung;
}

/** The rung after `rung`. */
export function nextCapacity(rung: number): number {
  if (rung < 128) return rung + 32;
  const isPowerOfTwo = (rung & (rung - 1)) === 0;
  return isPowerOfTwo ? rung * 1.5 : (rung / 3) * 4;
}
