import { createHttpClient } from './http.js';
import type { HttpOptions } from './http.js';
import { searchTool } from './search-tool.js';
import type { SearchTool, SearchToolOptions } from './search-tool.js';
import { field, listField, plainText, textField, wrongShape } from './shape.js';

export interface CreateBraveOptions extends SearchToolOptions, HttpOptions {
  /** sent as `X-Subscription-Token`, never printed */
  apiKey: string;
  url?: string;
}

/** Web results of the Brave Search API. */
export function createBrave(options: CreateBraveOptions): SearchTool;
export function createBrave({
  apiKey,
  url = 'https://api.search.brave.com/res/v1/web/search',
  ...options
}: Partial<CreateBraveOptions> = {}): SearchTool {
  if (!apiKey)
    throw new TypeError(
      'createBrave: got no apiKey, wanted {apiKey: text}: make one in the account at the Brave Search API',
    );
  const http = createHttpClient(options, [apiKey]);
  const headers = { 'X-Subscription-Token': apiKey };
  const tool = searchTool(async (query, topK, signal) => {
    const asked = new URL(url);
    asked.search = new URLSearchParams({ q: query, count: String(topK), text_decorations: 'false' }).toString();
    const answer = await http.json({ url: asked, headers, signal });
    // without results there is no `web`
    if (field(answer, 'web') === undefined && textField(answer, 'type') !== 'search') {
      throw wrongShape('Brave', '{type: "search", web: {results: []}}', answer);
    }
    return listField(field(answer, 'web'), 'results').map((result) => ({
      title: plainText(textField(result, 'title')),
      text: plainText(textField(result, 'description')),
    }));
  }, options);
  return { ...tool, close: () => http.close() };
}
