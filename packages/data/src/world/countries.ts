import { createRequire } from 'node:module';
import type { Country } from 'world-countries';

/** A country as the world data set knows it: ASCII only, area rounded. */
export interface WorldCountry {
  /** ISO 3166-1 alpha-3 */
  code: string;
  name: string;
  /** all of them, the first one is in the article; empty for the few territories without one */
  capitals: readonly string[];
  region: string;
  /** thousand km², an integer from 1 upwards, two decimals below; undefined where the source has none */
  area: number | undefined;
}

/** Accents are dropped, anything else outside printable ASCII too. */
function foldToAscii(text: string): string {
  return text
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^\x20-\x7e]/g, '');
}

function areaInThousandKm2(km2: number): number | undefined {
  if (km2 <= 0) return undefined;
  return km2 >= 1000 ? Math.round(km2 / 1000) : Math.round(km2 / 10) / 100;
}

let cache: readonly WorldCountry[] | undefined;

/** Every country and territory of the npm package `world-countries` (ODbL 1.0), sorted by code. Read at the first call. */
export function worldCountries(): readonly WorldCountry[] {
  // The package's ES module imports JSON without an attribute, which Node refuses: its CommonJS entry works everywhere.
  cache ??= (createRequire(import.meta.url)('world-countries') as Country[])
    .map((country) => ({
      code: country.cca3,
      name: foldToAscii(country.name.common),
      capitals: country.capital.map(foldToAscii),
      region: country.region,
      area: areaInThousandKm2(country.area),
    }))
    .toSorted((a, b) => (a.code < b.code ? -1 : 1));
  return cache;
}

/** A country that questions are asked about: short names, a capital, at least a thousand km². */
export interface AskedCountry extends WorldCountry {
  capital: string;
  area: number;
}

const maxNameLength = 18;
const maxCapitalLength = 16;

/** The countries that problems are made of; the others only fill the search index. */
export function askedCountries(): AskedCountry[] {
  return worldCountries().flatMap((country) => {
    const capital = country.capitals[0];
    const { area } = country;
    const asked =
      capital !== undefined &&
      area !== undefined &&
      area >= 1 &&
      country.name.length <= maxNameLength &&
      capital.length <= maxCapitalLength &&
      country.region !== 'Antarctic';
    return asked ? [{ ...country, capital, area }] : [];
  });
}
