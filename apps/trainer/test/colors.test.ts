import { expect, it } from 'vitest';
import { wantsColors } from '../src/cli/colors.js';

it.each([
  ['a terminal', {}, true, true],
  ['a pipe', {}, false, false],
  ['NO_COLOR', { NO_COLOR: '1' }, true, false],
  ['NO_COLOR against FORCE_COLOR', { NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
  ['an empty NO_COLOR', { NO_COLOR: '' }, true, true],
  ['FORCE_COLOR in a pipe', { FORCE_COLOR: '1' }, false, true],
  ['FORCE_COLOR=0', { FORCE_COLOR: '0' }, true, false],
  ['a dumb terminal', { TERM: 'dumb' }, true, false],
  ['CI', { CI: 'true' }, true, false],
] as const)('colours: %s', (_, env, isTTY, wanted) => {
  expect(wantsColors({ env, isTTY })).toBe(wanted);
});
