import { worldCountries } from './countries.js';
import type { WorldCountry } from './countries.js';

/** A document of the search index. */
export interface WorldArticle {
  /** ISO 3166-1 alpha-3 code of the country */
  id: string;
  title: string;
  text: string;
}

type Described = Pick<WorldCountry, 'name' | 'capitals' | 'region' | 'area'>;

function articleText({ capitals, region, area }: Described): string {
  const place = [...capitals.slice(0, 1), region].join(', ');
  return area === undefined ? `(${place})` : `(${place}) ${area}`;
}

/** One article per country and territory, 250 in all: "Norway" / "(Oslo, Europe) 324", the area in thousand km². */
export function worldArticles(): WorldArticle[] {
  return worldCountries().map((country) => ({ id: country.code, title: country.name, text: articleText(country) }));
}

/**
 * The observation of a search for this country, when `createSearch({ documents: worldArticles(), topK: 1 })` of
 * `@tapo/tools/search` is the tool: "Doc 1: Norway (Oslo, Europe) 324". Made-up countries of demonstrations go through
 * the same words.
 */
export function worldArticleLine(country: Described): string {
  return `Doc 1: ${country.name} ${articleText(country)}`;
}
