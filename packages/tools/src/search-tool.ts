import { elide } from './elide.js';
import { ToolError } from './tool.js';
import type { Tool } from './tool.js';

/** One found document. */
export interface SearchHit {
  title: string;
  text: string;
}

/** What every search adapter makes, so that the cache can wear each: same query and `topK`, same hits. */
export interface SearchTool extends Tool<string, SearchHit[]> {
  /** at most this many hits */
  readonly topK: number;
  toObservation(hits: SearchHit[]): string;
}

/** Options that all search adapters share. */
export interface SearchToolOptions {
  /** default `search` */
  name?: string;
  description?: string;
  /** hits per query (METHOD §5: 3) */
  topK?: number;
  /** characters; shorter and longer queries are refused (METHOD §5: 3 and 300) */
  minQueryLength?: number;
  maxQueryLength?: number;
  /** UTF-16 units of one document's line, more is cut in the middle */
  maxHitLength?: number;
}

const DESCRIPTION = 'Looks facts up: write a short query, get the best matching documents.';

/**
 * The frame of a search adapter: query limits before, "Doc i:" lines after.
 * @param find gives the hits of a trimmed query within the limits, best first; more than `topK` are dropped
 */
export function searchTool(
  find: (query: string, topK: number, signal: AbortSignal) => SearchHit[] | Promise<SearchHit[]>,
  {
    name = 'search',
    description = DESCRIPTION,
    topK = 3,
    minQueryLength = 3,
    maxQueryLength = 300,
    maxHitLength = 2_000,
  }: SearchToolOptions = {},
): SearchTool {
  if (!Number.isSafeInteger(topK) || topK < 1) {
    throw new RangeError(`${name}: got topK ${topK}, wanted a whole number of at least 1`);
  }
  return {
    name,
    description,
    topK,
    async execute(input, { signal }) {
      const query = input.trim();
      const { length } = Array.from(query);
      if (length < minQueryLength || length > maxQueryLength) {
        throw new ToolError(
          'refused',
          `The query has ${length} characters; write between ${minQueryLength} and ${maxQueryLength}.`,
        );
      }
      return (await find(query, topK, signal)).slice(0, topK);
    },
    toObservation: (hits) => formatHits(hits, maxHitLength),
  };
}

/** "Doc i: title text", one line per hit. A title that already begins the text is not said twice. */
function formatHits(hits: readonly SearchHit[], maxHitLength: number): string {
  if (hits.length === 0) return 'No documents found. Try other words.';
  return hits
    .map(({ title, text }, index) => {
      const [head, body] = [oneLine(title), oneLine(text)];
      const line = head && !body.startsWith(head) ? `${head} ${body}`.trimEnd() : body;
      return `Doc ${index + 1}: ${oneLine(elide(line, maxHitLength))}`;
    })
    .join('\n');
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
