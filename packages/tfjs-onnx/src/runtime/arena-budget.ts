/** Memory that compiled functions may keep between runs; one budget can be shared by many. */
export interface ArenaBudget {
  /** Whether a program that needs `bytes` may keep them; if so they count until `give`. */
  take(bytes: number): boolean;
  give(bytes: number): void;
  /** Bytes taken now. */
  readonly taken: number;
}

/**
 * A program that needs more never keeps its memory: pages that the system hands out anew in each run cost it least, beside what it
 * computes (135M parameters, training: a tenth more time; 0.1M: twice the time).
 */
const LARGEST_BYTES = 2 ** 28;

/** Programs keep their memory while together they need at most `maxBytes`. */
export function createArenaBudget(maxBytes: number): ArenaBudget {
  let taken = 0;
  return {
    take(bytes) {
      if (bytes > LARGEST_BYTES || taken + bytes > maxBytes) return false;
      taken += bytes;
      return true;
    },
    give(bytes) {
      taken -= bytes;
    },
    get taken() {
      return taken;
    },
  };
}
