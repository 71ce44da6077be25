import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, loadProblems, readProblems, writeProblems } from '@tapo/data';
import type { Problem } from '@tapo/data';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tapo-data-'));
});
afterAll(() => rm(directory, { recursive: true }));

/** Writes `content` to a fresh file and gives its path. */
async function fileOf(name: string, content: string): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, content);
  return file;
}

const line = (fields: object = {}) =>
  JSON.stringify({
    question: 'Who?',
    data_source: 'nq',
    reward_model: { style: 'rule', ground_truth: { target: 'Ada' } },
    ...fields,
  });

const json = fc.dictionary(
  fc.string({ minLength: 1 }).filter((key) => key !== '__proto__'),
  fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string())),
);
const problem: fc.Arbitrary<Problem> = fc.record(
  {
    id: fc.uuid(),
    question: fc.string({ minLength: 1, unit: 'grapheme' }),
    dataSource: fc.constantFrom('nq', 'calculator', 'aime2024'),
    targets: fc.array(fc.string({ minLength: 1, unit: 'grapheme' }), { minLength: 1, maxLength: 3 }),
    ability: fc.constantFrom('facts', 'math'),
    metadata: json,
  },
  { requiredKeys: ['id', 'question', 'dataSource', 'targets'] },
);

describe.each(['jsonl', 'parquet'])('%s', (extension) => {
  it('gives back what was written', async () => {
    const file = join(directory, `roundtrip.${extension}`);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(problem, { selector: ({ id }) => id, maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        async (problems, rowGroupSize) => {
          expect(await writeProblems(file, problems, { rowGroupSize })).toBe(problems.length);
          expect(await loadProblems(file)).toEqual(problems);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('leaves the old file alone when the source fails', async () => {
    const file = join(directory, `kept.${extension}`);
    const good: Problem = { id: 'a', question: 'Who?', dataSource: 'nq', targets: ['Ada'] };
    await writeProblems(file, [good]);
    const failing = (async function* () {
      yield { ...good, id: 'b' };
      throw new Error('source failed');
    })();
    await expect(writeProblems(file, failing)).rejects.toThrow('source failed');
    expect(await loadProblems(file)).toEqual([good]);
    expect((await readdir(directory)).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('stops at the signal', async () => {
    const file = join(directory, `aborted.${extension}`);
    await writeProblems(
      file,
      [1, 2, 3].map((n) => ({ id: `${n}`, question: 'Q', dataSource: 'nq', targets: ['A'] })),
    );
    const controller = new AbortController();
    const read = async () => {
      for await (const { id } of readProblems(file, { signal: controller.signal })) {
        if (id === '2') controller.abort(new Error('enough'));
      }
    };
    await expect(read()).rejects.toThrow(/enough|abort/i);
  });
});

describe('ids', () => {
  it('come from the record, else from file and row; a repeated one gets file and row too', async () => {
    const file = await fileOf('ids.jsonl', [line(), line({ id: 7 }), '', line({ id: 7 })].join('\n'));
    const ids = (await loadProblems(file)).map(({ id }) => id);
    // line 3 is empty: skipped, but counted
    expect(ids).toEqual(['ids.jsonl:1', '7', 'ids.jsonl:4']);
  });
});

describe('a bad record', () => {
  const cases: [string, string, RegExp][] = [
    [
      'a broken row',
      `${line()}\n{"question": "Wh\n`,
      /rows\.jsonl:2: not JSON .*got \{"question": "Wh.*one complete JSON object per line/,
    ],
    [
      'a missing key',
      `${line()}\n\n${line({ question: undefined })}`,
      /rows\.jsonl:3: question must be a string.*was missing/,
    ],
    ['a wrong type', line({ data_source: 7 }), /rows\.jsonl:1: data_source must be a string \(was a number\)/],
    ['no gold answer', line({ reward_model: { ground_truth: { target: [] } } }), /rows\.jsonl:1: .*target/],
    [
      'a style without rule',
      line({ reward_model: { style: 'model', ground_truth: { target: 'x' } } }),
      /style is "model", wanted "rule"/,
    ],
    ['no object at all', '[1, 2]', /rows\.jsonl:1: /],
  ];
  it.each(cases)('%s is named with file and line', async (_, content, message) => {
    const file = await fileOf('rows.jsonl', content);
    const error = await loadProblems(file).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toMatch(message);
    expect(error).toMatchObject({ file, row: expect.any(Number) as number });
  });

  it('comes after the good ones before it', async () => {
    const file = await fileOf('later.jsonl', `${line()}\n${line()}\nnope`);
    const questions: string[] = [];
    const read = async () => {
      for await (const { question } of readProblems(file)) questions.push(question);
    };
    await expect(read()).rejects.toThrow('later.jsonl:3');
    expect(questions).toEqual(['Who?', 'Who?']);
  });

  it('may have an unknown data source', async () => {
    const file = await fileOf('source.jsonl', line({ data_source: 'trivia' }));
    await expect(loadProblems(file, { isKnownSource: (source) => source === 'nq' })).rejects.toThrow(
      /source\.jsonl:1: unknown data source "trivia"/,
    );
  });
});

describe('a bad file', () => {
  it('that is not there', async () => {
    await expect(loadProblems(join(directory, 'nowhere.jsonl'))).rejects.toThrow(/nowhere\.jsonl: no such file/);
    await expect(loadProblems(join(directory, 'nowhere.parquet'))).rejects.toThrow(/nowhere\.parquet: no such file/);
  });

  it('with an unknown extension', async () => {
    await expect(loadProblems('data.csv')).rejects.toThrow(/data\.csv: got the extension "\.csv", wanted \.jsonl/);
  });

  it('parquet without a needed column', async () => {
    const file = join(directory, 'columns.parquet');
    await writeProblems(file, [{ id: 'a', question: 'Q', dataSource: 'nq', targets: ['A'] }]);
    // written in the TAPO layout, read as if it were Natural Questions
    await expect(loadProblems(file, { format: 'nq' })).rejects.toThrow(
      /columns\.parquet: no column "golden_answers": got id, question, data_source.*wanted question, golden_answers/,
    );
  });

  it('parquet that is truncated, or none', async () => {
    const file = join(directory, 'truncated.parquet');
    const problems = Array.from({ length: 50 }, (_, n) => ({
      id: `${n}`,
      question: `Q${n}`,
      dataSource: 'nq',
      targets: ['A'],
    }));
    await writeProblems(file, problems);
    const { length } = await readFile(file);
    await truncate(file, length - 100);
    await expect(loadProblems(file)).rejects.toThrow(
      /truncated\.parquet: truncated parquet file.*wanted "PAR1".*again/,
    );
    const text = await fileOf('text.parquet', 'question,answer\nWho?,Ada\n');
    await expect(loadProblems(text)).rejects.toThrow(/text\.parquet: not a parquet file.*"ques"/);
    const empty = await fileOf('empty.parquet', '');
    await expect(loadProblems(empty)).rejects.toThrow(/not a parquet file: got 0 bytes/);
  });

  it('parquet with a damaged footer or damaged rows', async () => {
    const file = join(directory, 'damaged.parquet');
    await writeProblems(file, [{ id: 'a', question: 'Who was it?', dataSource: 'nq', targets: ['Ada'] }]);
    const bytes = await readFile(file);
    const footer = Buffer.from(bytes);
    footer.writeUInt32LE(1_000_000, footer.length - 8); // a footer longer than the file
    await writeFile(file, footer);
    await expect(loadProblems(file)).rejects.toThrow(/damaged\.parquet: unreadable parquet footer/);
    const rows = Buffer.from(bytes);
    rows.fill(0xff, 4, 40); // the first column's page header
    await writeFile(file, rows);
    await expect(loadProblems(file)).rejects.toThrow(/damaged\.parquet: rows 1 to 1 are unreadable/);
  });
});
