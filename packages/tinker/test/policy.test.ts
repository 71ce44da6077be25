import { expect, it } from 'vitest';
import { cut } from '../src/policy.js';
import { toyTokenizer } from './server/toy-tokenizer.js';

const ids = (text: string): number[] => toyTokenizer.encode(text);
const [EOS] = toyTokenizer.eosTokenIds as [number];

it('cuts with the token that completes a stop string', () => {
  // "ab</a>cd": the stop string ends with its sixth character.
  expect(cut(ids('ab</a>cd'), ['</a>'], toyTokenizer)).toEqual({ count: 6, stopReason: 'stop' });
});

it('cuts at the first EOS, and a stop string after it does not count', () => {
  expect(cut([...ids('ab'), EOS, ...ids('</a>')], ['</a>'], toyTokenizer)).toEqual({ count: 3, stopReason: 'eos' });
});

it('takes everything when nothing stops', () => {
  expect(cut(ids('abc'), ['</a>'], toyTokenizer)).toEqual({ count: 3, stopReason: 'length' });
});
