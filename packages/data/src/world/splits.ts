import { createRandom, hash32 } from '../random.js';
import { askedCountries } from './countries.js';
import type { AskedCountry } from './countries.js';

/** `sft`: demonstrations of the cold start. `rl`: training with rewards. `eval`: held out from both. */
export type WorldSplit = 'sft' | 'rl' | 'eval';

/** Part of the data set: another seed would be another data set. */
const splitSeed = 4242;

const shares = { sft: 0.25, rl: 0.45 };

let cache: Record<WorldSplit, readonly AskedCountry[]> | undefined;

/** The countries whose facts a split asks about: a quarter for `sft`, 45% for `rl`, the rest for `eval`. Disjoint. */
export function splitCountries(split: WorldSplit): readonly AskedCountry[] {
  if (cache === undefined) {
    const shuffled = createRandom(splitSeed, 'countries').shuffle(askedCountries());
    const sftEnd = Math.round(shares.sft * shuffled.length);
    const rlEnd = sftEnd + Math.round(shares.rl * shuffled.length);
    cache = { sft: shuffled.slice(0, sftEnd), rl: shuffled.slice(sftEnd, rlEnd), eval: shuffled.slice(rlEnd) };
  }
  return cache[split];
}

/** The split of a sum or product: 40% `sft`, 40% `rl`, 20% `eval`; swapping the operands does not change it. */
export function splitOfSum(a: number, operator: string, b: number): WorldSplit {
  const [low, high] = a <= b ? [a, b] : [b, a];
  const bucket = hash32(`${splitSeed}:${low}${operator}${high}`) % 10;
  if (bucket < 4) return 'sft';
  return bucket < 8 ? 'rl' : 'eval';
}

const easyWordings = [
  (a: number, b: number) => `${a} + ${b}?`,
  (a: number, b: number) => `${a} plus ${b}?`,
  (a: number, b: number) => `Sum of ${a} and ${b}?`,
];

/** One wording of one single-digit sum. */
export interface EasyQuestion {
  question: string;
  a: number;
  b: number;
}

/**
 * The easy questions of a split. Each of the 55 pairs of digits occurs in every split, but in wordings and orders that
 * no other split has: what is held out is the question, not the sum, because a sum table cannot be guessed from parts
 * of it. Of a pair's six questions (three when both digits are the same) one is for `eval`, one for `rl`, the rest for `sft`.
 */
export function easyQuestions(split: WorldSplit): EasyQuestion[] {
  const questions: EasyQuestion[] = [];
  for (let a = 0; a <= 9; a++) {
    for (let b = a; b <= 9; b++) {
      const orders: [number, number][] = [
        [a, b],
        [b, a],
      ];
      const variants: EasyQuestion[] = orders
        .slice(0, a === b ? 1 : 2)
        .flatMap(([first, second]) =>
          easyWordings.map((wording) => ({ question: wording(first, second), a: first, b: second })),
        );
      const shuffled = createRandom(splitSeed, `easy:${a}+${b}`).shuffle(variants);
      const slices = { eval: [0, 1], rl: [1, 2], sft: [2, 6] } as const;
      questions.push(...shuffled.slice(...slices[split]));
    }
  }
  return questions;
}
