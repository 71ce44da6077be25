/** One character per token: 23 characters and EOS, enough for short tagged text. */
const alphabet = '<>/abcdehnorsw0123456 .?';
const EOS = 23;

export const toyTokenizer = {
  encode: (text: string): number[] => Array.from(text, (character) => Math.max(0, alphabet.indexOf(character))),
  decode: (tokens: readonly number[]): string => tokens.map((token) => (token === EOS ? '' : alphabet[token])).join(''),
  eosTokenIds: [EOS],
  padTokenId: EOS,
  vocabSize: 24,
};
