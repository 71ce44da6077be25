import type { CacheCounts } from '@tapo/tools/cache';

/** What the caches answered, what the services were asked, and what it cost. Counts since some moment. */
export interface ToolUsage extends CacheCounts {
  /** in the unit of the config's `costPerQuery` */
  cost: number;
}

export const noUsage: ToolUsage = {
  exact: 0,
  fuzzy: 0,
  miss: 0,
  coalesced: 0,
  externalQueries: 0,
  storeErrors: 0,
  cost: 0,
};

/** The usage between two moments as metrics of a step; nothing where no service was asked for anything. */
export function usageMetrics(before: ToolUsage, after: ToolUsage): Record<string, number | Record<string, number>> {
  const count = (key: keyof ToolUsage) => after[key] - before[key];
  const queries = count('exact') + count('fuzzy') + count('coalesced') + count('miss');
  const cost = count('cost');
  return {
    ...(queries > 0 && {
      cacheHits: {
        exact: count('exact') / queries,
        fuzzy: count('fuzzy') / queries,
        coalesced: count('coalesced') / queries,
      },
      cacheHitRate: 1 - count('miss') / queries,
      externalQueries: count('externalQueries'),
      cacheErrors: count('storeErrors'),
    }),
    ...(cost > 0 && { toolCost: cost }),
  };
}
