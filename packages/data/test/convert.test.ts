import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { convertRecord, loadProblems, recordFormats, toTapoRecord } from '@tapo/data';
import type { RecordFormat } from '@tapo/data';

it('reads the published layout, one target or several', () => {
  const record = {
    question: 'Who wrote the first program?',
    data_source: 'nq',
    ability: 'facts',
    reward_model: { style: 'rule', ground_truth: { target: ['Ada Lovelace', 'Lovelace'] } },
  };
  expect(convertRecord('tapo', record)).toEqual({
    question: 'Who wrote the first program?',
    dataSource: 'nq',
    ability: 'facts',
    targets: ['Ada Lovelace', 'Lovelace'],
  });
  const single = { ...record, reward_model: { style: 'rule', ground_truth: { target: 'Ada' } } };
  expect(convertRecord('tapo', single).targets).toEqual(['Ada']);
});

it('writes the published layout', () => {
  expect(toTapoRecord({ id: 'a', question: 'Q', dataSource: 'nq', targets: ['x'] })).toEqual({
    id: 'a',
    question: 'Q',
    data_source: 'nq',
    reward_model: { style: 'rule', ground_truth: { target: 'x' } },
  });
  expect(() => toTapoRecord({ id: 'a', question: 'Q', dataSource: 'nq', targets: [] })).toThrow(/"a" has no target/);
});

const samples: [RecordFormat, object, object][] = [
  [
    'nq',
    { id: 'test_0', question: 'who discovered radium', golden_answers: ['Marie Curie', 'Pierre Curie'] },
    {
      id: 'test_0',
      question: 'who discovered radium',
      dataSource: 'nq',
      ability: 'facts',
      targets: ['Marie Curie', 'Pierre Curie'],
    },
  ],
  [
    'dapo-math',
    { prompt: 'What is 2 + 3?', target: '5' },
    { question: 'What is 2 + 3?', dataSource: 'dapo_math', ability: 'math', targets: ['5'] },
  ],
  [
    'dapo-math', // chat messages: the last one asks
    { prompt: [{ role: 'user', content: 'What is 2 + 3?' }], target: 5n },
    { question: 'What is 2 + 3?', dataSource: 'dapo_math', ability: 'math', targets: ['5'] },
  ],
  [
    'aime',
    { ID: '2024-I-1', Problem: 'Find n.', Answer: 204 },
    { id: '2024-I-1', question: 'Find n.', dataSource: 'aime2024', ability: 'math', targets: ['204'] },
  ],
  [
    'gsm8k',
    { question: 'How many?', answer: 'He has 1,000 + 234 = <<1000+234=1234>>1,234.\n#### 1,234' },
    { question: 'How many?', dataSource: 'gsm8k', ability: 'math', targets: ['1234'] },
  ],
  [
    'deepmath',
    {
      question: 'Evaluate it.',
      final_answer: '\\frac{1}{2}',
      difficulty: 5.5,
      topic: 'Calculus',
      r1_solution_1: 'long',
    },
    {
      question: 'Evaluate it.',
      dataSource: 'deep_math',
      ability: 'math',
      targets: ['\\frac{1}{2}'],
      metadata: { difficulty: 5.5, topic: 'Calculus' },
    },
  ],
];

it.each(samples)('converts %s', (format, record, converted) => {
  expect(convertRecord(format, record)).toEqual(converted);
});

it.each([
  ['nq', { question: 'who', golden_answers: [] }, /golden_answers/],
  ['dapo-math', { prompt: '', target: '5' }, /prompt/],
  ['aime', { problem: 'lower case', Answer: 1 }, /Problem must be.*was missing/],
  ['gsm8k', { question: 'Q', answer: 'no marker 12' }, /no number after "####", got "…no marker 12"/],
  ['deepmath', { question: 'Q' }, /final_answer must be.*was missing/],
] as [RecordFormat, object, RegExp][])('names the bad key of a %s record', (format, record, message) => {
  expect(() => convertRecord(format, record)).toThrow(message);
});

it('names the formats there are', () => {
  expect(recordFormats).toEqual(['tapo', 'nq', 'dapo-math', 'aime', 'gsm8k', 'deepmath']);
  expect(() => convertRecord('squad' as RecordFormat, {})).toThrow(
    /unknown record format "squad", wanted one of tapo, nq/,
  );
});

it('converts a file while reading it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tapo-convert-'));
  const file = join(directory, 'gsm.jsonl');
  await writeFile(file, '{"question": "Q", "answer": "1 #### 2"}\n{"question": "Q", "answer": "2"}\n');
  await expect(loadProblems(file, { format: 'gsm8k' })).rejects.toThrow(/gsm\.jsonl:2: answer has no number/);
  await rm(directory, { recursive: true });
});
