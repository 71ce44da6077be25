import { createHttpClient } from './http.js';
import type { HttpOptions } from './http.js';
import { searchTool } from './search-tool.js';
import type { SearchTool, SearchToolOptions } from './search-tool.js';
import { field, listField, textField, wrongShape } from './shape.js';

export interface CreateTavilyOptions extends SearchToolOptions, HttpOptions {
  /** sent as a bearer token, never printed */
  apiKey: string;
  url?: string;
}

/** Passages of web pages by Tavily. */
export function createTavily(options: CreateTavilyOptions): SearchTool;
export function createTavily({
  apiKey,
  url = 'https://api.tavily.com/search',
  ...options
}: Partial<CreateTavilyOptions> = {}): SearchTool {
  if (!apiKey)
    throw new TypeError('createTavily: got no apiKey, wanted {apiKey: text}: make one in the account at tavily.com');
  const http = createHttpClient(options, [apiKey]);
  const headers = { authorization: `Bearer ${apiKey}` };
  const tool = searchTool(async (query, topK, signal) => {
    const answer = await http.json({ url, body: { query, max_results: topK }, headers, signal });
    if (!Array.isArray(field(answer, 'results'))) throw wrongShape('Tavily', '{results: []}', answer);
    return listField(answer, 'results').map((result) => ({
      title: textField(result, 'title'),
      text: textField(result, 'content'),
    }));
  }, options);
  return { ...tool, close: () => http.close() };
}
