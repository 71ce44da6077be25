import { checkUrl, createHttpClient } from './http.js';
import type { HttpOptions } from './http.js';
import { searchTool } from './search-tool.js';
import type { SearchTool, SearchToolOptions } from './search-tool.js';
import { field, listField, plainText, textField, wrongShape } from './shape.js';

export interface CreateSearxngOptions extends SearchToolOptions, HttpOptions {
  /** of an instance whose settings.yml has `json` among `search.formats`, for example `http://127.0.0.1:8888` */
  url: string;
  headers?: Record<string, string>;
  language?: string;
}

/** Results of a SearXNG instance of your own: many engines, no key. */
export function createSearxng(options: CreateSearxngOptions): SearchTool;
export function createSearxng({
  url,
  headers = {},
  language = 'en',
  ...options
}: Partial<CreateSearxngOptions> = {}): SearchTool {
  checkUrl('createSearxng', url);
  const http = createHttpClient(options, Object.values(headers));
  const tool = searchTool(async (query, _topK, signal) => {
    const asked = new URL('search', url.endsWith('/') ? url : `${url}/`);
    asked.search = new URLSearchParams({ q: query, format: 'json', language }).toString();
    const answer = await http.json({ url: asked, headers, signal });
    if (!Array.isArray(field(answer, 'results'))) throw wrongShape('SearXNG', '{results: []}', answer);
    return listField(answer, 'results').map((result) => ({
      title: plainText(textField(result, 'title')),
      text: plainText(textField(result, 'content')),
    }));
  }, options);
  return { ...tool, close: () => http.close() };
}
