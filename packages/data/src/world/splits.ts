import { createRandom, hash32 } from '../random.js';
import type { Random } from '../random.js';
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

/** 40% `sft`, 40% `rl`, 20% `eval`, by a hash of the text. */
function splitOfText(text: string): WorldSplit {
  const bucket = hash32(`${splitSeed}:${text}`) % 10;
  if (bucket < 4) return 'sft';
  return bucket < 8 ? 'rl' : 'eval';
}

/** The split of a sum or product; swapping the operands does not change it. */
export function splitOfSum(a: number, operator: string, b: number): WorldSplit {
  const [low, high] = a <= b ? [a, b] : [b, a];
  return splitOfText(`${low}${operator}${high}`);
}

/** A single-digit sum as a story. */
export interface EasyQuestion {
  question: string;
  a: number;
  b: number;
}

/**
 * "Miko has 7, gets 5?", with a made-up name: hundreds of thousands of questions, so that none can be remembered by its
 * wording. What a split holds out is the question; the hundred pairs of digits occur in all of them, because a sum table
 * cannot be guessed from parts of it.
 */
export function drawStory(split: WorldSplit, random: Random): EasyQuestion {
  const consonants = 'bcdfghjklmnprstvwyz';
  for (;;) {
    const letters = [consonants, 'aeiou', consonants, 'aeiou'].map((from) => random.pick([...from])).join('');
    const [a, b] = [random.integer(0, 9), random.integer(0, 9)];
    const question = `${letters.charAt(0).toUpperCase()}${letters.slice(1)} has ${a}, gets ${b}?`;
    if (splitOfText(question) === split) return { question, a, b };
  }
}
