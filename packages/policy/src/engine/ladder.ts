/**
 * Lengths that arrays are padded to. A ladder keeps the number of different shapes small, hence of compiled functions,
 * and depends on nothing but the length, so that results don't either.
 */

/** Smallest rung that holds `length`: 32, 64, 96, 128, then 3/4 and 1 of each power of two (192, 256, 384, 512, …). */
export function paddedLength(length: number): number {
  let rung = 32;
  while (rung < length) rung = nextRung(rung);
  return rung;
}

/**
 * Positions of a cache row that holds `length`: 64, 128, then as above. Coarser, since a row passes through all of them and is copied each
 * time, and since a decoding step costs hardly more at 64 positions than at 32.
 */
export function cacheCapacity(length: number): number {
  return length <= 64 ? 64 : length <= 128 ? 128 : paddedLength(length);
}

function nextRung(rung: number): number {
  if (rung < 128) return rung + 32;
  const isPowerOfTwo = (rung & (rung - 1)) === 0;
  return isPowerOfTwo ? rung * 1.5 : (rung / 3) * 4;
}
