import { createHttpClient } from './http.js';
import type { HttpOptions } from './http.js';
import { searchTool } from './search-tool.js';
import type { SearchTool, SearchToolOptions } from './search-tool.js';
import { field, listField, textField, wrongShape } from './shape.js';

export interface CreateWikipediaOptions extends SearchToolOptions, HttpOptions {
  /** says who asks, as Wikimedia's policy wants it: a name and a way to reach you */
  userAgent: string;
  language?: string;
  /** of another MediaWiki with the TextExtracts extension */
  url?: string;
}

/** Introductions of Wikipedia articles, by its own full-text search. */
export function createWikipedia(options: CreateWikipediaOptions): SearchTool;
export function createWikipedia({
  userAgent,
  language = 'en',
  url = `https://${language}.wikipedia.org/w/api.php`,
  ...options
}: Partial<CreateWikipediaOptions> = {}): SearchTool {
  if (!userAgent)
    throw new TypeError('createWikipedia: got no userAgent, wanted {userAgent: "name/version (contact)"}');
  const http = createHttpClient(options);
  const headers = { 'user-agent': userAgent };
  const fixed = {
    action: 'query',
    format: 'json',
    formatversion: '2',
    generator: 'search',
    prop: 'extracts',
    exintro: '1',
    explaintext: '1',
    exlimit: 'max',
  };
  const tool = searchTool(async (query, topK, signal) => {
    const asked = new URL(url);
    asked.search = new URLSearchParams({ ...fixed, gsrsearch: query, gsrlimit: String(topK) }).toString();
    const answer = await http.json({ url: asked, headers, signal });
    const wanted = '{query: {pages: []}}';
    if (field(answer, 'error') || typeof answer !== 'object') throw wrongShape('Wikipedia', wanted, answer);
    // pages come in no order of their own; `index` is the rank. Without results there is no `query`
    const pages = listField(field(answer, 'query'), 'pages');
    return pages
      .toSorted((a, b) => Number(field(a, 'index')) - Number(field(b, 'index')))
      .map((page) => ({ title: textField(page, 'title'), text: textField(page, 'extract') }));
  }, options);
  return { ...tool, close: () => http.close() };
}
