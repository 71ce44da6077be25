import type { TokenColumns } from '@tapo/trainer/view';

/** What tokens can be coloured by. */
export const scales = {
  logprob: 'log-probability',
  advantage: 'advantage',
  ratio: 'ratio',
  clipped: 'clipped',
  mask: 'mask',
  mismatch: 'sampler against trainer',
} as const;

export type ScaleName = keyof typeof scales;

/** How far through a scale's colours a token is: −1 to 1 for two-sided scales, 0 to 1 for others; 0 = plain. */
export type Shade = number;

/** The numbers of one token. null where it was not sampled, or not trained on. */
export interface TokenNumbers {
  rolloutLogprob: number | null;
  oldLogprob: number | null;
  logprob: number | null;
  /** exp(logprob − oldLogprob) */
  ratio: number | null;
  advantage: number | null;
  /** which bound of the loss held this token */
  clipped: 'above' | 'below' | 'dual' | null;
  /** oldLogprob − rolloutLogprob */
  mismatch: number | null;
}

/** Ratio and clipping as in the DAPO loss (METHOD: TAPO, arXiv 2510.07038): bounds 1 − low, 1 + high, dual clip c. */
export function tokenNumbers(columns: TokenColumns, i: number): TokenNumbers {
  const { lossMask, rolloutLogprobs, oldLogprobs, logprobs, advantage, clip } = columns;
  if (lossMask[i] !== 1) {
    return {
      rolloutLogprob: null,
      oldLogprob: null,
      logprob: null,
      ratio: null,
      advantage: null,
      clipped: null,
      mismatch: null,
    };
  }
  const rolloutLogprob = rolloutLogprobs[i] ?? null;
  const oldLogprob = oldLogprobs?.[i] ?? null;
  const logprob = logprobs?.[i] ?? null;
  const ratio = oldLogprob === null || logprob === null ? null : Math.exp(logprob - oldLogprob);
  let clipped: TokenNumbers['clipped'] = null;
  if (ratio !== null && advantage !== null) {
    if (advantage > 0 && ratio > 1 + clip.high) clipped = 'above';
    if (advantage < 0 && ratio < 1 - clip.low) clipped = 'below';
    if (advantage < 0 && clip.dual !== null && ratio > clip.dual) clipped = 'dual';
  }
  const mismatch = oldLogprob === null || rolloutLogprob === null ? null : oldLogprob - rolloutLogprob;
  return { rolloutLogprob, oldLogprob, logprob, ratio, advantage, clipped, mismatch };
}

export function shadeOf(scale: ScaleName, numbers: TokenNumbers): Shade {
  const limited = (value: number) => Math.max(-1, Math.min(1, value));
  switch (scale) {
    case 'logprob':
      // e^−4: one in fifty
      return limited(-(numbers.rolloutLogprob ?? 0) / 4);
    case 'advantage':
      return limited((numbers.advantage ?? 0) / 1.5);
    case 'ratio':
      return limited(Math.log(numbers.ratio ?? 1) / 0.25);
    case 'clipped':
      return numbers.clipped === null ? 0 : 1;
    case 'mask':
      return 0;
    case 'mismatch':
      // 1e-5 is rounding, 0.1 is a fault
      return numbers.mismatch === null || numbers.mismatch === 0
        ? 0
        : limited((Math.log10(Math.abs(numbers.mismatch)) + 5) / 4);
  }
}

/** A class of the style sheet: `p1`…`p8` above zero, `n1`…`n8` below. */
export function shadeClass(shade: Shade): string {
  const level = Math.round(Math.abs(shade) * 8);
  return level === 0 ? '' : `${shade > 0 ? 'p' : 'n'}${level}`;
}
