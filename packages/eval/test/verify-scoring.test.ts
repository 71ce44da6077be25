import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { verifyScoring } from '@tapo/eval';

const read = (name: string): string => readFileSync(new URL(`./golden/${name}`, import.meta.url), 'utf8');

test.each([
  ['scoring.json', { format: 30, answers: 53 }],
  ['scoring-fuzz.json', { format: 250, answers: 250 }], // random cases judged in Python, see make-scoring-fuzz.py
])('reference mode agrees with %s on every case', (name, cases) => {
  expect(verifyScoring(read(name))).toEqual({ cases, deviation: 0, tolerance: 1e-12, mismatches: [], passed: true });
});

const answer = { dataSource: 'nq', answer: 'Pari', groundTruth: 'Paris', error: null };
const right = { score: 0.8, acc: false, pred: 'Pari', search: 0, code: 0 }; // one of five letters is missing
test.each([
  [{ ...answer, expected: { ...right, score: 0.8001 } }, 'got score 0.8, wanted 0.8001'],
  [{ ...answer, expected: { ...right, acc: true } }, '"acc":false'],
  [{ ...answer, expected: { ...right, search: 1 } }, '"search":0'],
  [{ ...answer, expected: null, error: 'NotImplementedError' }, 'wanted an exception like NotImplementedError'],
  [{ ...answer, dataSource: 'x', expected: right }, 'got an exception (Unknown data source "x"'],
])('a wrong expectation %# is found', (item, message) => {
  const { passed, mismatches } = verifyScoring(JSON.stringify({ answers: [{ ...answer, expected: right }, item] }));
  expect(passed).toBe(false);
  expect(mismatches).toEqual([{ section: 'answers', index: 1, message: expect.stringContaining(message) }]);
});

test('a wrong format expectation is found', () => {
  const text = '<answer>x</answer>';
  const file = { format: [{ text, expected: null, error: null }] };
  expect(verifyScoring(JSON.stringify(file)).mismatches[0]?.message).toContain('wanted "a format error"');
});

test('a file of another form is refused', () => {
  expect(() => verifyScoring('{}')).toThrow('wanted {"format": [...], "answers": [...]}');
  expect(() => verifyScoring('{"format": [{}]}')).toThrow('format case 0: text: wanted a string');
  expect(() => verifyScoring('{"answers": [{"dataSource": "nq"}]}')).toThrow('answers case 0: wanted dataSource');
});
