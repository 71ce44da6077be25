import type { Random } from '../random.js';
import { worldCountries } from './countries.js';
import type { AskedCountry } from './countries.js';

export const regions = ['Africa', 'Americas', 'Asia', 'Europe', 'Oceania'] as const;

const consonants = [...'bcdfghjklmnprstvwyz'];
const vowels = [...'aeiou'];
const letters = [...'abcdefghijklmnopqrstuvwxyz'];

function syllables(random: Random): string {
  if (random.chance(0.3)) {
    return Array.from({ length: random.integer(3, 8) }, () => random.pick(letters)).join('');
  }
  return Array.from({ length: random.integer(2, 4) }, () => {
    const end = random.chance(0.3) ? random.pick([...'nrlstm']) : '';
    return random.pick(consonants) + random.pick(vowels) + end;
  }).join('');
}

/**
 * A pronounceable or random name, with the hyphens, spaces, apostrophes, full stops and runs of capitals that real names
 * have: a policy that never saw them copied stumbles over Guinea-Bissau, N'Djamena and DR Congo.
 */
export function madeUpName(random: Random, maxLength: number): string {
  const parts = Array.from({ length: random.chance(0.25) ? 2 : 1 }, () => {
    const word = syllables(random);
    return random.chance(0.03) ? word.slice(0, 3).toUpperCase() : word.charAt(0).toUpperCase() + word.slice(1);
  });
  let name = parts.join(random.chance(0.4) ? '-' : ' ');
  if (random.chance(0.05)) name = `${name.charAt(0)}'${name.slice(1)}`;
  if (random.chance(0.02)) name = `${name}.`;
  return name.slice(0, maxLength).replace(/[^A-Za-z.]+$/, '');
}

/** One to five digits, each count of digits about as likely, as with real areas. */
export function madeUpArea(random: Random): number {
  const digits = 1 + Math.floor(random.next() * 4.6);
  const low = 10 ** (digits - 1);
  return random.integer(low, 10 * low - 1);
}

let realNames: ReadonlySet<string> | undefined;

/** A country that does not exist: what is said about it can only be copied, never remembered. */
export function madeUpCountry(random: Random): AskedCountry {
  realNames ??= new Set(worldCountries().map((country) => country.name.toLowerCase()));
  let name = madeUpName(random, 16);
  while (realNames.has(name.toLowerCase())) name = madeUpName(random, 16);
  const capital = madeUpName(random, 12);
  return {
    code: `made-up-${name}`,
    name,
    capitals: [capital],
    capital,
    region: random.pick(regions),
    area: madeUpArea(random),
  };
}
