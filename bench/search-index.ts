/**
 * The local index at size: writes passages, runs `tapo data index` on them, and asks queries of several kinds.
 *
 *     node --import tsx --conditions=tapo-source bench/search-index.ts [PASSAGES] [SEED]
 */
import { spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSqliteSearch } from '@tapo/tools/search-sqlite';
import { createRandom } from '../packages/data/src/random.js';

const PASSAGES = Number(process.argv[2] ?? 100_000);
const random = createRandom(Number(process.argv[3] ?? 1));
const WORDS = 100;
const VOCABULARY = 50_000;
const QUERIES = 200;

/** A made-up word for each number: syllables of two letters, the more the larger the number. */
function wordOf(n: number): string {
  const syllable = (digit: number) => 'bdfgklmnprstvz'[digit % 14]! + 'aeiou'[Math.floor(digit / 14)]!;
  return n < 70 ? syllable(n) : wordOf(Math.floor(n / 70) - 1) + syllable(n % 70);
}
/** As in a language: the n-th most frequent word about 1/n as often as the first. */
const drawWord = () => wordOf(Math.floor(VOCABULARY ** random.next()) - 1);
const drawWords = (count: number) => Array.from({ length: count }, drawWord).join(' ');
const titleOf = (n: number) => `${wordOf(n % 997)} ${wordOf(n)}`;

const directory = await mkdtemp(join(tmpdir(), 'tapo-index-'));
const [passages, index] = [join(directory, 'passages.jsonl'), join(directory, 'passages.sqlite')];
const megabytes = async (file: string) => `${((await stat(file)).size / 1e6).toFixed(0)} MB`;
try {
  const out = createWriteStream(passages);
  for (let n = 0; n < PASSAGES; n++) {
    const line = `${JSON.stringify({ title: titleOf(n), text: drawWords(WORDS) })}\n`;
    if (!out.write(line)) await new Promise<void>((resolve) => out.once('drain', resolve));
  }
  await new Promise<void>((resolve) => out.end(resolve));

  const bin = fileURLToPath(new URL('../apps/trainer/src/bin.ts', import.meta.url));
  const tapo = ['--import', 'tsx', '--conditions=tapo-source', bin, 'data', 'index', passages, index];
  const started = performance.now();
  const { status } = spawnSync(process.execPath, tapo, { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`tapo data index: ${PASSAGES} passages of ${WORDS} words, ${await megabytes(passages)}, ${seconds} s`);
  console.log(`index on disk: ${await megabytes(index)}`);

  const search = createSqliteSearch({ file: index });
  const context = { toolCallId: 'c', rolloutId: 'r', signal: new AbortController().signal };
  const timed = async (query: string) => {
    const before = performance.now();
    const [hit] = await search.execute(query, context);
    return { ms: performance.now() - before, title: hit?.title };
  };
  const opening = await timed(titleOf(0));
  console.log(`opened and first answer: ${opening.ms.toFixed(1)} ms`);

  const kinds: Record<string, () => { query: string; title?: string }> = {
    'a title': () => titled((title) => title),
    'a question that names a title': () => titled((title) => `What is the area of ${title}?`),
    'three words as the texts have them': () => ({ query: drawWords(3) }),
    'ten words as the texts have them': () => ({ query: drawWords(10) }),
    'the commonest words': () => ({ query: [0, 1, 2].map((n) => wordOf(n + random.integer(0, 5))).join(' ') }),
  };
  function titled(ask: (title: string) => string) {
    const title = titleOf(random.integer(0, PASSAGES - 1));
    return { query: ask(title), title };
  }
  const rows = [];
  for (const [kind, draw] of Object.entries(kinds)) {
    const times: number[] = [];
    let found = 0;
    for (let i = 0; i < QUERIES; i++) {
      const { query, title } = draw();
      const answer = await timed(query);
      times.push(answer.ms);
      if (title !== undefined && answer.title === title) found += 1;
    }
    const sorted = times.toSorted((a, b) => a - b);
    const at = (share: number) => `${sorted[Math.floor(share * QUERIES)]!.toFixed(1)} ms`;
    const first = draw().title === undefined ? '' : `${found} of ${QUERIES}`;
    rows.push({
      query: kind,
      p50: at(0.5),
      p99: at(0.99),
      max: `${sorted.at(-1)!.toFixed(1)} ms`,
      'title first': first,
    });
  }
  console.table(rows);
  console.log(`memory of the asking process: ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`);
  await search.close?.();
} finally {
  await rm(directory, { recursive: true });
}
