/** A word of a query and what its spelling says about it. */
interface Word {
  /** lower case, without accents */
  text: string;
  /** `common`: lower case in a query that writes names in capitals; `name`: capital or digit; `unknown`: no capitals to go by */
  kind: 'common' | 'name' | 'unknown';
}

// Letters and digits with what joins digits; symbols that change the meaning ("C++", "-5", ".5"). A hyphen inside a word,
// quotes, brackets and sentence marks change nothing.
const WORD =
  /(?:[\p{L}\p{M}\p{N}]|(?<=\p{N})[.,:](?=\p{N}))+|\.(?=\p{N})|(?<!\p{L})-|-(?!\p{L})|[^\s\p{L}\p{M}\p{N}?!.,;:"“”„'‘’()[\]…-]/gu;

function wordsOf(query: string): Word[] {
  const raw = query.normalize('NFKC').match(WORD) ?? [];
  const hasLower = raw.some((word) => /^\p{Ll}/u.test(word));
  const isCased = hasLower && raw.slice(1).some((word) => /^\p{Lu}/u.test(word));
  const kindOf = (word: string): Word['kind'] => (/\P{Ll}/u.test(word) ? 'name' : isCased ? 'common' : 'unknown');
  return raw.map((word) => ({
    text: word.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase(),
    kind: hasLower ? kindOf(word) : 'unknown',
  }));
}

/** Singular of a plural noun; only for words that are no names: "Williams" is not "William". */
function singular(word: string): string {
  if (word.length < 5) return word;
  if (word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  if (/(?:s|x|ch|sh)es$/.test(word)) return word.slice(0, -2);
  return /[^su]s$/.test(word) ? word.slice(0, -1) : word;
}

const isArticle = ({ text }: Word) => text === 'a' || text === 'an' || text === 'the';

/**
 * A key that similar queries share: what `areSimilar` accepts has the same key, not the other way round.
 * Finds in one look-up what a search by 3-grams would find.
 */
export function similarityKey(query: string): string {
  return wordsOf(query)
    .filter((word) => !isArticle(word))
    .map(({ text }) => singular(text))
    .join(' ');
}

/**
 * Whether one query's results serve the other. Beyond a similarity of `minSimilarity` (METHOD §5: 0.9) the words must
 * be the same, in the same order, number for number and name for name. What may differ:
 * - case, accents, white space, sentence marks; but a word that is a name in one and a common word in the other ("Polish",
 *   "polish") is two words
 * - articles, and singular or plural, of common words: those in lower case where the same query writes names in capitals.
 *   A query without capitals does not say what its names are: there, every word counts as one.
 */
export function areSimilar(a: string, b: string, minSimilarity = 0.9): boolean {
  return sameWords(wordsOf(a), wordsOf(b)) && similarity(spaced(a), spaced(b)) >= minSimilarity;
}

function sameWords(a: Word[], b: Word[]): boolean {
  if (a.length === 0 || b.length === 0) return false;
  let [i, j] = [0, 0];
  const mayDrop = (word: Word | undefined) => word?.kind === 'common' && isArticle(word);
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left && right && sameWord(left, right, i === 0 && j === 0)) {
      i += 1;
      j += 1;
    } else if (mayDrop(left)) i += 1;
    else if (mayDrop(right)) j += 1;
    else return false;
  }
  return true;
}

// words that owe a capital to the beginning of a sentence and not to being a name
const OPENERS = new Set(
  'a an are at can did do does find for from had has have how if in is list many name of on the to was were what when where which who whose why with'.split(
    ' ',
  ),
);

function sameWord(a: Word, b: Word, isFirst: boolean): boolean {
  const kinds = new Set([a.kind, b.kind]);
  const crossed = kinds.has('name') && kinds.has('common') && !(isFirst && OPENERS.has(a.text));
  if (a.text === b.text) return !crossed;
  return a.kind === 'common' && b.kind === 'common' && singular(a.text) === singular(b.text);
}

function spaced(query: string): string {
  return wordsOf(query)
    .map(({ text }) => text)
    .join(' ');
}

/** 1 − edit distance / longer length (Levenshtein), in [0, 1]. */
export function similarity(a: string, b: string): number {
  const longer = Math.max(a.length, b.length);
  if (longer === 0) return 1;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return 1 - row[b.length]! / longer;
}
