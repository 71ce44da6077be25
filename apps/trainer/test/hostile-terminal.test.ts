import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { summarize } from '@tapo/eval';
import { describeSummary } from '../src/summary-table.js';
import { renderTrace } from '../src/trace.js';
import { printableJson } from '../src/view/visible-text.js';
import { hostileTexts, longLine } from './view/hostile.js';
import { fakeTerminal } from './terminal.js';

const hidden = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;
const texts = [...Object.entries(hostileTexts), ['a line of a megabyte', longLine] as const];

/** Prints a text on a terminal, which keeps its title and what was there before, and goes on below. */
async function shown(text: string): Promise<void> {
  const terminal = fakeTerminal({ columns: 300, rows: 24, scrollback: 100_000 });
  terminal.stream.write('before\n');
  terminal.stream.write(`${text}\nafter\n`);
  const screen = await terminal.screen();
  expect(terminal.title).toBe('');
  expect([screen[0], screen.at(-1)]).toEqual(['before', 'after']);
}

it.each(texts)('a rollout whose every text is hostile is text on the terminal: %s', async (_, text) => {
  const trace = renderTrace({
    question: text,
    source: text,
    targets: [text],
    segments: [
      { text: `<think>${text}</think><search>${text}</search>`, sampled: true },
      { text, sampled: false },
    ],
    turns: [],
    answer: text,
    accurate: false,
    reward: 0,
    stopReason: text,
  });
  // colours are the only escapes
  expect(stripVTControlCharacters(trace)).not.toMatch(hidden);
  await shown(trace);
});

it.each(texts)('an evaluation with such a source, as a table and as JSON: %s', async (_, text) => {
  const record = { reward: 1, score: 1, accurate: true, wellFormed: true, answer: '1', problemId: 'a', turns: [] };
  const summary = summarize([{ ...record, source: text }], { seed: 0 });
  expect(describeSummary(summary)).not.toMatch(hidden);
  const json = printableJson({ summary, text }, 2);
  expect(json).not.toMatch(hidden);
  expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify({ summary, text })));
  await shown(json);
});

it('characters beyond 16 bits are escaped by halves', () => {
  // U+E0041, an invisible tag
  expect(printableJson('a\u{e0041}b')).toBe('"a\\udb40\\udc41b"');
});
