/** Words in lower case without accents: "São Tomé" and "sao tome" are the same. */
export function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

// words that ask instead of naming
const STOP_WORDS = new Set(
  'a about an and are as at be by did do does for from has have how in is it its many much of on or that the their there these this to was were what when where which who whose why with'.split(
    ' ',
  ),
);

/** The words of a query that say what is looked for; all of them if it has no such words. */
export function tellingWords(query: string): string[] {
  const all = wordsOf(query);
  const telling = all.filter((word) => !STOP_WORDS.has(word));
  return telling.length > 0 ? telling : all;
}
