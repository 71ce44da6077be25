import { expect, it } from 'vitest';
import { tokenTexts } from '../../src/view/token-columns.js';

it('a character spread over tokens is with the first of them', () => {
  // é = c3 a9, 🙂 = f0 9f 99 82
  const table = [[0x61], [0xc3], [0xa9], [0xf0, 0x9f], [0x99], [0x82, 0x62], [0xef, 0xbb, 0xbf]];
  const bytes = (token: number) => Uint8Array.from(table[token] ?? []);
  expect(tokenTexts([0, 1, 2, 3, 4, 5, 0], bytes)).toEqual(['a', 'é', '', '🙂b', '', '', 'a']);
  expect(tokenTexts([6, 99], bytes)).toEqual(['\ufeff', '']);
});

it('bytes that are no UTF-8 are replaced, and take nothing with them', () => {
  // a lone continuation; a start without its continuation, at the end
  const table = [[0x80], [0x61], [0xe2, 0x82]];
  const bytes = (token: number) => Uint8Array.from(table[token] ?? []);
  expect(tokenTexts([0, 1, 2], bytes)).toEqual(['\ufffd', 'a', '\ufffd']);
});
