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
 * Columns of a cache row that holds `length` positions and one more, which belongs to no sequence (`forwardCached`): at least 64, since a
 * decoding step costs hardly more there than at 32, then as above. What a step costs beyond its matrix products is reading
 * the cache, filled or not.
 */
export function cacheColumns(length: number): number {
  return Math.max(64, paddedLength(length + 1));
}

function nextRung(rung: number): number {
  if (rung < 128) return rung + 32;
  const isPowerOfTwo = (rung & (rung - 1)) === 0;
  return isPowerOfTwo ? rung * 1.5 : (rung / 3) * 4;
}
