/**
 * The search cache: what it saves on a stream of repeated queries, exact against similar hits, and how often a similar hit
 * is a false one. No service is asked: one that takes 300 ms and a tenth of a cent is assumed.
 *
 *     node --import tsx --conditions=tapo-source bench/search-cache.ts [QUERIES] [SEED]
 */
import { worldProblems } from '@tapo/data/world';
import { cached } from '@tapo/tools/cache';
import type { CachedOptions } from '@tapo/tools/cache';
import { createSearch } from '@tapo/tools/search';
import { createRandom } from '../packages/data/src/random.js';
import { similarity } from '../packages/tools/src/similar-queries.js';
import { adversarialPairs } from './adversarial-queries.js';

const QUERIES = Number(process.argv[2] ?? 20_000);
const random = createRandom(Number(process.argv[3] ?? 1));
const SERVICE_MS = 300;
const DOLLARS_PER_QUERY = 0.001;
const context = { toolCallId: 'c', rolloutId: 'r', signal: new AbortController().signal };

/** A cache around a service that answers with what was asked for, whatever the words. */
function askedThrough(options: CachedOptions, factOf: (query: string) => string) {
  const execute = (query: string) => [{ title: factOf(query), text: '' }];
  const service = { ...createSearch({ documents: [] }), execute };
  const tool = cached(service, options);
  const ask = async (query: string) => (await tool.execute(query, context))[0]!.title;
  return { ask, counts: tool.counts };
}

// "Capital of Chad?" in all three splits, so every fact of the world data set
const facts = (['sft', 'rl', 'eval'] as const)
  .flatMap((split) => worldProblems(split, { sources: ['nq'], perSource: 10_000 }))
  .map(({ question }) => question.slice(0, -1));
// the n-th most popular fact is asked for 1/n as often as the first (Zipf)
const popularity = Object.fromEntries(random.shuffle(facts).map((fact, i) => [fact, 1 / (i + 1)]));

/** Weights of ways to write one query: spellings, and other words. */
const wordings = {
  '@': 30,
  '@?': 20,
  '@.': 3,
  'lower case': 10,
  'What is the @?': 12,
  'what is the @': 8,
  'the @': 5,
  '@ in kilometres': 2,
  '@ country': 3,
  'tell me the @': 2,
  '  @  ?': 2,
  '"@"': 3,
};

function drawQuery(): { query: string; fact: string } {
  const fact = random.pickWeighted(popularity);
  const wording = random.pickWeighted(wordings);
  const asked = wording === '@' ? fact : fact.charAt(0).toLowerCase() + fact.slice(1);
  const query = wording === 'lower case' ? fact.toLowerCase() : wording.replace('@', asked);
  return { query, fact };
}

const stream = Array.from({ length: QUERIES }, drawQuery);
const factOf = new Map(stream.map(({ query, fact }) => [query.trim(), fact]));
const different = { queries: factOf.size, facts: new Set(factOf.values()).size };
console.log(`${QUERIES} queries, ${different.queries} different, on ${different.facts} facts (Zipf, exponent 1)`);

const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)}%`;
const rows = [];
for (const [hits, options] of [
  ['exact', { minSimilarity: Infinity }],
  ['exact and similar', {}],
] as const) {
  const { ask, counts } = askedThrough(options, (query) => factOf.get(query)!);
  let falseHits = 0;
  for (const { query, fact } of stream) if ((await ask(query)) !== fact) falseHits += 1;
  const { exact, fuzzy, miss } = counts();
  rows.push({
    hits,
    'hit rate': percent(exact + fuzzy, QUERIES),
    exact,
    similar: fuzzy,
    asked: miss,
    'seconds saved': ((QUERIES - miss) * SERVICE_MS) / 1000,
    'dollars saved': ((QUERIES - miss) * DOLLARS_PER_QUERY).toFixed(2),
    'false hits': falseHits,
  });
}
console.table(rows);

const kinds = new Map<string, { kind: string; pairs: number; 'similarity alone': number; 'the rule': number }>();
const crossed: string[] = [];
for (const { kind, a, b } of adversarialPairs()) {
  const row = kinds.get(kind) ?? { kind, pairs: 0, 'similarity alone': 0, 'the rule': 0 };
  kinds.set(kind, row);
  const { ask, counts } = askedThrough({}, (query) => query);
  await ask(a);
  await ask(b);
  row.pairs += 1;
  if (similarity(a.toLowerCase(), b.toLowerCase()) >= 0.9) row['similarity alone'] += 1;
  if (counts().fuzzy > 0) {
    row['the rule'] += 1;
    crossed.push(`${a} | ${b}`);
  }
}
console.log('false hits on pairs made to be confused');
const all = [...kinds.values()];
const sum = (key: 'pairs' | 'similarity alone' | 'the rule') => all.reduce((total, row) => total + row[key], 0);
console.table([
  ...all,
  { kind: 'all', pairs: sum('pairs'), 'similarity alone': sum('similarity alone'), 'the rule': sum('the rule') },
]);
for (const pair of crossed) console.log(pair);
