import { visibleParts } from '@tapo/trainer/view';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printable } from '../../src/view/visible-text.js';
import { hostileTexts, longLine } from './hostile.js';

describe('what a terminal is sent', () => {
  it.each(Object.entries(hostileTexts))('%s: nothing but what can be seen', (_name, text) => {
    expect(printable(text)).not.toMatch(/(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
  });

  it('shows a character by its code point, and leaves what can be seen', () => {
    expect(printable('a\u001b[2Jb')).toBe('a\\u{1b}[2Jb');
    expect(printable('\u202ex\ud800\r\n\té 日本 🙂 <b>')).toBe('\\u{202e}x\\u{d800}\\u{d}\n\té 日本 🙂 <b>');
  });

  it('takes any string, also a line of a megabyte', () => {
    expect(printable(longLine)).toBe(longLine);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});

it('the parts of a text are the text: none lost, none doubled, in order', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const joined = visibleParts(text).map(({ text: part }) => part);
      expect(joined.join('')).toBe(printable(text));
    }),
  );
});
