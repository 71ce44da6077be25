import { createHttpClient } from './http.js';
import type { HttpOptions } from './http.js';
import { searchTool } from './search-tool.js';
import type { SearchHit, SearchTool, SearchToolOptions } from './search-tool.js';
import { field, listField, textField, wrongShape } from './shape.js';

export interface CreateSerperOptions extends SearchToolOptions, HttpOptions {
  /** sent as `X-API-KEY`, never printed */
  apiKey: string;
  url?: string;
}

/** Google results by Serper: the knowledge graph's description first, then the snippets of the pages. */
export function createSerper(options: CreateSerperOptions): SearchTool;
export function createSerper({
  apiKey,
  url = 'https://google.serper.dev/search',
  ...options
}: Partial<CreateSerperOptions> = {}): SearchTool {
  if (!apiKey)
    throw new TypeError('createSerper: got no apiKey, wanted {apiKey: text}: make one in the account at serper.dev');
  const http = createHttpClient(options, [apiKey]);
  const tool = searchTool(async (query, topK, signal) => {
    const headers = { 'X-API-KEY': apiKey };
    return hitsOf(await http.json({ url, body: { q: query, num: topK }, headers, signal }));
  }, options);
  return { ...tool, close: () => http.close() };
}

function hitsOf(answer: unknown): SearchHit[] {
  const organic = field(answer, 'organic');
  const graph = field(answer, 'knowledgeGraph');
  if (!Array.isArray(organic) && !graph) throw wrongShape('Serper', '{organic: []} or {knowledgeGraph: {}}', answer);
  const entries = listField(answer, 'organic').map((entry) => ({
    title: textField(entry, 'title'),
    text: textField(entry, 'snippet'),
  }));
  const described = { title: textField(graph, 'title'), text: textField(graph, 'description') };
  return [described, ...entries].filter(({ text }) => text);
}
