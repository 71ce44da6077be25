/** Levenshtein distance in code points: fewest insertions, deletions and substitutions that turn `a` into `b`. */
export function editDistance(a: readonly string[], b: readonly string[]): number {
  // row[j] = distance between the first i characters of a and the first j of b
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  a.forEach((character, i) => {
    const next = [i + 1];
    b.forEach((other, j) => {
      const substitution = (row[j] as number) + (character === other ? 0 : 1);
      next.push(Math.min(substitution, (row[j + 1] as number) + 1, (next[j] as number) + 1));
    });
    row = next;
  });
  return row[b.length] as number;
}
