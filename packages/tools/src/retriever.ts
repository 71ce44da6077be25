import { checkUrl, createHttpClient } from './http.js';
import type { HttpOptions } from './http.js';
import { searchTool } from './search-tool.js';
import type { SearchHit, SearchTool, SearchToolOptions } from './search-tool.js';
import { field, textField, wrongShape } from './shape.js';

export interface CreateRetrieverOptions extends SearchToolOptions, HttpOptions {
  /** for example `http://127.0.0.1:8000/retrieve` */
  url: string;
  headers?: Record<string, string>;
  /** queries of concurrent rollouts that are sent in one request */
  maxBatchSize?: number;
  /** how long the first query of a batch waits for others */
  batchDelayMs?: number;
}

/**
 * Search on a retrieval server of the Search-R1 kind (arXiv 2503.09516): `POST {queries, topk, return_scores}` →
 * `{result: [[{document: {contents: "title\ntext"}, score}]]}`. Queries that come at about the same time share a request.
 */
export function createRetriever(options: CreateRetrieverOptions): SearchTool;
export function createRetriever({
  url,
  headers = {},
  maxBatchSize = 32,
  batchDelayMs = 2,
  ...options
}: Partial<CreateRetrieverOptions> = {}): SearchTool {
  checkUrl('createRetriever', url);
  const http = createHttpClient(options, Object.values(headers));
  const retrieve = batched(
    async (queries: string[], topK, signal) => {
      const body = { queries, topk: topK, return_scores: true };
      const answer = await http.json({ url, body, headers, signal });
      const result = field(answer, 'result');
      if (!Array.isArray(result) || result.length !== queries.length || !result.every(Array.isArray)) {
        throw wrongShape('The retriever', `{result: [[…]]} with ${queries.length} lists`, answer);
      }
      return result.map((documents: unknown[]) => documents.map(hitOf));
    },
    { maxBatchSize, batchDelayMs },
  );
  return { ...searchTool(retrieve, options), close: () => http.close() };
}

/** "title\ntext"; the title is quoted in the Wikipedia dumps that Search-R1 serves. */
function hitOf(result: unknown): SearchHit {
  // without scores the server sends the documents as they are
  const contents = textField(field(result, 'document') ?? result, 'contents');
  if (!contents) throw wrongShape('The retriever', '{document: {contents: "title\\ntext"}}', result);
  const [title = '', ...text] = contents.split('\n');
  return { title: title.replace(/^"(.*)"$/, '$1'), text: text.join('\n') };
}

interface Waiting {
  query: string;
  topK: number;
  signal: AbortSignal;
  resolve(hits: SearchHit[]): void;
  reject(error: unknown): void;
}

/** Collects queries for `batchDelayMs`. A batch is given up only when all who wait for it have given up. */
function batched(
  send: (queries: string[], topK: number, signal: AbortSignal) => Promise<SearchHit[][]>,
  { maxBatchSize, batchDelayMs }: { maxBatchSize: number; batchDelayMs: number },
): (query: string, topK: number, signal: AbortSignal) => Promise<SearchHit[]> {
  let waiting: Waiting[] = [];
  let timer: NodeJS.Timeout | undefined;

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    const batch = waiting.filter(({ signal }) => !signal.aborted);
    waiting = [];
    if (batch.length === 0) return;
    const abandoned = new AbortController();
    let left = batch.length;
    for (const { signal } of batch) {
      signal.addEventListener('abort', () => (left -= 1) === 0 && abandoned.abort(signal.reason), { once: true });
    }
    const queries = batch.map(({ query }) => query);
    send(queries, batch[0]!.topK, abandoned.signal).then(
      (lists) => batch.forEach(({ resolve }, index) => resolve(lists[index]!)),
      (error: unknown) => batch.forEach(({ reject }) => reject(error)),
    );
  };

  return (query, topK, signal) =>
    new Promise((resolve, reject) => {
      waiting.push({ query, topK, signal, resolve, reject });
      if (waiting.length >= maxBatchSize) flush();
      else timer ??= setTimeout(flush, batchDelayMs);
    });
}
