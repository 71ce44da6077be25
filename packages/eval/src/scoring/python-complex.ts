import { isSpace } from './python-text.js';

export interface Complex {
  re: number;
  im: number;
}

const FLOAT = '[+-]?(?:(?:\\d+\\.?\\d*|\\.\\d+)(?:e[+-]?\\d+)?|inf(?:inity)?|nan)';
const SPACES = '[\\t-\\r ]*';
/** `3`, `4j`, `3+4j`, `3-j`, `-j`; CPython's complex_from_string_inner */
const COMPLEX = new RegExp(
  `^(?:(?<re>${FLOAT})(?:(?<im>${FLOAT.replace('?', '')}|[+-])j)?|(?<only>${FLOAT}|[+-]?)j)$`,
  'i',
);
const SPACED = new RegExp(`^${SPACES}(.*?)${SPACES}$`, 's');

/**
 * Python's `complex(text)`; undefined where Python raises ValueError. Brackets, single underscores between digits,
 * infinities, NaN and the decimal digits of every script are accepted; spaces around the sign are not.
 */
export function parseComplex(text: string): Complex | undefined {
  const ascii = toAscii(text);
  if (ascii.includes('_') && /^_|_$|[^\d]_|_[^\d]/.test(ascii)) return undefined;
  let body = trim(ascii.replaceAll('_', ''));
  if (body.startsWith('(')) {
    if (!body.endsWith(')')) return undefined;
    body = trim(body.slice(1, -1));
  }
  const groups = COMPLEX.exec(body)?.groups;
  if (!groups) return undefined;
  if (groups['only'] !== undefined) return { re: 0, im: toNumber(groups['only']) };
  return { re: toNumber(groups['re'] as string), im: groups['im'] === undefined ? 0 : toNumber(groups['im']) };
}

/** |a − b|, or |a| alone */
export function distance(a: Complex, b: Complex = { re: 0, im: 0 }): number {
  return Math.hypot(a.re - b.re, a.im - b.im);
}

function trim(text: string): string {
  return SPACED.exec(text)?.[1] ?? text;
}

/** a bare sign (of `-j`) counts as one */
function toNumber(text: string): number {
  if (/^[+-]?$/.test(text)) return text === '-' ? -1 : 1;
  const [, sign, magnitude] = /^([+-]?)(.*)$/.exec(text.toLowerCase()) as RegExpExecArray;
  const value = magnitude?.startsWith('inf') ? Infinity : Number(magnitude); // Number('nan') is NaN
  return sign === '-' ? -value : value;
}

/** decimal digits of other scripts become ASCII digits and their spaces become spaces, as CPython does first */
function toAscii(text: string): string {
  return Array.from(text, (character) => {
    if (character < '\x7f') return character;
    if (isSpace(character)) return ' ';
    return /\p{Nd}/u.test(character) ? String(decimalValue(character)) : '?';
  }).join('');
}

/** Unicode lists decimal digits in runs of ten, zero first; runs may adjoin */
function decimalValue(character: string): number {
  const code = character.codePointAt(0) as number;
  let start = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(start - 1))) start--;
  return (code - start) % 10;
}
