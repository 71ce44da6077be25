import { expect, it } from 'vitest';
import { codeObservation } from '../src/code-observations.js';
import type { CodeOutcome, CodeRun } from '../src/code-observations.js';

const options = { printExample: 'print(x)', timeLimitMs: 2_000, memoryLimitBytes: 512 * 2 ** 20, maxOutputLength: 100 };
const show = (run: Partial<CodeRun>) => codeObservation({ outcome: 'finished', stdout: '', ...run }, options);

it('shows what was printed, without the last line end', () => {
  expect(show({ stdout: ' 1\n2\n' })).toBe(' 1\n2');
});

it('shows the last value only if nothing was printed', () => {
  expect(show({ value: '3' })).toBe('3');
  expect(show({ stdout: '1\n', value: '3' })).toBe('1');
});

it('reminds of a forgotten print', () => {
  expect(show({ stdout: '\n' })).toBe('The code ran but printed nothing. Use print(x) to see a result.');
});

it('cuts long output in the middle', () => {
  expect(show({ stdout: 'a'.repeat(1_000) })).toMatch(/^a+\n… \[900 characters left out\] …\na+$/);
});

it.each([
  ['exception', 'error', 'NameError: x'],
  ['time-limit', 'timeout', 'Time limit exceeded: the code ran longer than 2 s.'],
  ['memory-limit', 'error', 'Memory limit exceeded: the code needs more than 512 MB.'],
  ['stack-limit', 'error', 'Recursion limit exceeded: the code nests or recurses too deeply.'],
  ['crashed', 'error', 'The interpreter failed and was restarted. Try simpler code.'],
] as [CodeOutcome, string, string][])(
  '%s ends as %s with its own text, after what was printed',
  (outcome, status, text) => {
    const error = 'NameError: x';
    expect(() => show({ outcome, error })).toThrow(expect.objectContaining({ status, message: text }));
    expect(() => show({ outcome, error, stdout: '1\n' })).toThrow(expect.objectContaining({ message: `1\n${text}` }));
  },
);
