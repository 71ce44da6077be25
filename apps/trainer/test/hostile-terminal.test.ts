import { expect, it } from 'vitest';
import { summarize } from '@tapo/eval';
import { describeSummary } from '../src/summary-table.js';
import { renderTrace } from '../src/trace.js';
import { printableJson } from '../src/view/visible-text.js';
import { hostileTexts, longLine } from './view/hostile.js';
import { fakeTerminal } from './terminal.js';

const hidden = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;
const texts = [...Object.entries(hostileTexts), ['a line of a megabyte', longLine] as const];

/** What a terminal shows of a text that is printed: it keeps its title, and nothing was moved or erased. */
async function shown(text: string): Promise<string> {
  const terminal = fakeTerminal({ columns: 300, rows: 24 });
  terminal.stream.write('before\n');
  terminal.stream.write(`${text}\nafter\n`);
  const screen = await terminal.screen();
  expect(terminal.title).toBe('');
  expect(screen.at(-1)).toBe('after');
  return screen.join('\n');
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
  expect(trace.replaceAll(/\u001b\[\d+m/g, '')).not.toMatch(hidden);
  const screen = await shown(trace);
  if (text !== longLine) expect(screen.startsWith('before\n')).toBe(true);
});

it.each(texts)('an evaluation with such a source, as a table and as JSON: %s', async (_, text) => {
  const record = { reward: 1, score: 1, accurate: true, wellFormed: true, answer: '1', problemId: 'a', turns: [] };
  const summary = summarize([{ ...record, source: text }], { seed: 0 });
  expect(describeSummary(summary)).not.toMatch(hidden);
  const json = printableJson({ summary, text }, 2);
  expect(json).not.toMatch(hidden);
  expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify({ summary, text })));
  if (text !== longLine) expect((await shown(json)).startsWith('before\n')).toBe(true);
});

it('characters beyond 16 bits are escaped by halves', () => {
  // U+E0041, an invisible tag
  expect(printableJson('a\u{e0041}b')).toBe('"a\\udb40\\udc41b"');
});
