/** A word of a query and what its spelling says about it. */
interface Word {
  /** lower case, without accents on Latin letters; marks of other scripts make other letters */
  text: string;
  /** lower case, as written */
  accented: string;
  /** `common`: lower case in a query that writes names in capitals; `name`: capital or digit; `unknown`: no capitals to go by */
  kind: 'common' | 'name' | 'unknown';
}

// Letters and digits with what joins digits; symbols that change the meaning ("C++", "-5", ".5", ".NET"). A hyphen inside a word,
// quotes, brackets and sentence marks change nothing.
const WORD =
  /(?:[\p{L}\p{M}\p{N}]|(?<=\p{N})[.,:](?=\p{N}))+|(?<![\p{L}\p{N}])\.(?=[\p{L}\p{N}])|(?<!\p{L})-|-(?!\p{L})|[^\s\p{L}\p{M}\p{N}?!.,;:"“”„'‘’()[\]…-]/gu;

function wordsOf(query: string): Word[] {
  const raw = query.normalize('NFKC').match(WORD) ?? [];
  const hasLower = raw.some((word) => /^\p{Ll}/u.test(word));
  const isCased = hasLower && raw.slice(1).some((word) => /^\p{Lu}/u.test(word));
  const kindOf = (word: string): Word['kind'] => (/\P{Ll}/u.test(word) ? 'name' : isCased ? 'common' : 'unknown');
  return raw.map((word) => ({
    text: word
      .normalize('NFD')
      .replace(/(?<=\p{Script=Latin})\p{M}+/gu, '')
      .normalize('NFC')
      .toLowerCase(),
    accented: word.toLowerCase(),
    kind: hasLower ? kindOf(word) : 'unknown',
  }));
}

const isThe = ({ text }: Word) => text === 'the';

/**
 * A key that similar queries share: what `areSimilar` accepts has the same key, not the other way round.
 * Finds in one look-up what a search by 3-grams would find.
 */
export function similarityKey(query: string): string {
  return wordsOf(query)
    .filter((word) => !isThe(word))
    .map(({ text }) => text)
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
  const mayDrop = (word: Word | undefined) => word?.kind === 'common' && isThe(word);
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
  const leavesAccentsOut = a.accented === a.text || b.accented === b.text;
  return a.text === b.text && !crossed && (leavesAccentsOut || a.accented === b.accented);
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
