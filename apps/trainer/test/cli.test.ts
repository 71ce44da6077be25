import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeProblems } from '@tapo/data';
import { describe, expect, it } from 'vitest';
import { failure, folder, tapo } from './run-tapo.js';
import { writeTinyModel } from './tiny-model.js';

async function file(name: string, text: string): Promise<string> {
  const path = join(await folder(), name);
  await writeFile(path, text);
  return path;
}

/** a problem in the published layout */
const row = (dataSource: string) =>
  JSON.stringify({
    question: '1+1?',
    data_source: dataSource,
    reward_model: { style: 'rule', ground_truth: { target: '2' } },
  });

/** options that make a run of the tiny model short */
const short = (
  '--data.template minimal --data.maxPromptTokens 64 --rollout.maxTokens 96 --tools ["search"] --reward.overlong null ' +
  '--rollout.problemsPerStep 2 --rollout.groupSize 2 --optimizer.problemsPerMiniBatch 2 --steps 1 --dynamicSampling.maxDraws 1'
).split(' ');

describe('help', () => {
  it('lists every command; each explains itself', async () => {
    const { code, out } = await tapo('--help');
    expect(code).toBe(0);
    for (const name of [
      'train',
      'sft',
      'eval',
      'rollout',
      'tool',
      'data',
      'init',
      'verify',
      'doctor',
      'serve-code',
      'serve-mcp',
    ]) {
      expect(out).toContain(`  ${name} `);
      const help = await tapo(name, '--help');
      expect([help.code, help.out]).toEqual([0, expect.stringContaining(`tapo ${name}`)]);
    }
  });

  it.each([
    [['trian'], 'unknown command "trian"', 'did you mean train?'],
    [['view', '--prot', '1'], 'unknown option --prot', 'did you mean --port? See tapo view --help'],
    [['rollout'], 'tapo rollout needs QUESTION', ''],
    [['train', '--sed', '3'], 'unknown option or config key --sed', 'did you mean --seed?'],
    [['eval', 'x', '--samples', 'two'], '--samples wants an integer of at least 1, got "two"', ''],
    [['eval', 'x', 'y'], 'unexpected argument "y"', ''],
  ])('%j', async (argv, message, remedy) => {
    const { code, err } = await tapo(...argv);
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err).toContain(remedy);
  });
});

describe('bad input: a clear message and exit code 1, without a stack', () => {
  const trainOn = async (data: string) =>
    failure('train', '--model', 'm', '--data.train', data, ...short, '--out', await folder());

  it('a missing model', async () => {
    expect(await failure('train', '--model', '/no/model', ...short)).toContain(
      'no model in /no/model: no such directory',
    );
  });

  it('a truncated safetensors file', async () => {
    const model = await writeTinyModel();
    await truncate(join(model, 'model.safetensors'), 5000);
    const printed = await failure('train', '--model', model, '--out', await folder(), ...short);
    expect(printed).toContain(join(model, 'model.safetensors'));
  });

  it('tokenizer and model that disagree', async () => {
    const printed = await failure('eval', await writeTinyModel({ vocabSize: 64 }), ...short);
    expect(printed).toMatch(/110.*64|64.*110/);
  });

  it('JSONL with a broken row', async () => {
    const data = await file('train.jsonl', `${row('default')}\n{"question": \n`);
    expect(await trainOn(data)).toContain(`${data}:2`);
  });

  it('an unknown data source', async () => {
    const data = await file('train.jsonl', row('riddles'));
    expect(await trainOn(data)).toContain(`${data}:1: unknown data source "riddles"`);
  });

  it('parquet without a needed column', async () => {
    const data = join(await folder(), 'train.parquet');
    await writeProblems(data, [{ id: 'a', question: '1+1?', dataSource: 'default', targets: ['2'] }]);
    const printed = await failure('data', 'convert', data, `${data}.jsonl`, '--format', 'gsm8k');
    expect(printed).toContain(data);
    expect(printed).toContain('answer');
  });

  it('no such data', async () => {
    expect(await trainOn('wrld')).toContain('did you mean world?');
  });

  it('an unknown tool', async () => {
    expect(await failure('tool', 'serch', 'x')).toContain('unknown tool "serch"; did you mean search?');
  });

  it('a run directory that is in use', async () => {
    const out = await folder();
    await writeFile(join(out, 'metrics.jsonl'), '');
    const printed = await failure('train', '--model', 'm', ...short, '--out', out);
    expect(printed).toContain('already holds a run');
    expect(printed).toContain(`tapo train --resume ${out}`);
  });

  it('resuming what is no run', async () => {
    expect(await failure('train', '--resume', await folder())).toContain('is no run directory');
  });

  it('a config that is none', async () => {
    const config = await file('tapo.config.json', '{"model": "x", "rollouts": {}}');
    expect(await failure('train', '-c', config)).toContain('unknown key rollouts; did you mean rollout?');
  });
});

describe('tapo tool', () => {
  const tool = (body: string) =>
    file('tool.ts', `export const tool = { name: 'bad', description: '', execute() { ${body} } };`);

  it('prints the observation', async () => {
    expect(await tapo('tool', 'search', 'area of Norway', '--options', '{"topK": 1}')).toEqual({
      code: 0,
      out: 'Doc 1: Norway (Oslo, Europe) 324',
      err: '',
    });
  });

  it('a tool that throws', async () => {
    const { code, out, err } = await tapo('tool', await tool('throw new Error("boom")'), 'x');
    expect([code, out]).toEqual([1, 'The bad tool failed: boom']);
    expect(err).toContain('status error');
  });

  it('a tool that hangs', async () => {
    const { code, out } = await tapo('tool', await tool('return new Promise(() => {});'), 'x', '--timeout', '30');
    expect([code, out]).toEqual([1, 'The bad tool did not answer within 0.03 s.']);
  });

  it('a tool that returns 10 MB: cut', async () => {
    const { code, out } = await tapo('tool', await tool("return 'x'.repeat(10 * 2 ** 20);"), 'x');
    expect(code).toBe(0);
    expect(out.length).toBeLessThan(20_000);
  });

  it('escape codes in an observation are shown, not obeyed', async () => {
    const { out } = await tapo('tool', await tool("return 'a\\u001b[2Jb\\u202e';"), 'x');
    expect(out).toBe('a\\u{1b}[2Jb\\u{202e}');
  });

  it('a module without a tool', async () => {
    const { err } = await tapo('tool', await file('none.ts', 'export const other = 1;'), 'x');
    expect(err).toContain('exports no "tool" (it exports other)');
  });
});

describe('a run of a tiny random model', () => {
  it('train, eval and rollout leave and read a run directory', async () => {
    const model = await writeTinyModel();
    const out = join(await folder(), 'run');
    const trained = await tapo('train', '--model', model, '--out', out, ...short, '--json');
    expect(trained.code).toBe(0);
    // with --json stdout is for machines: what is told to people goes to stderr
    expect(trained.out).toBe('');
    expect(trained.err).toContain(`done: 1 steps. Report: ${out}`);
    expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject({ model, steps: 1 });
    expect(JSON.parse(await readFile(join(out, 'summary.json'), 'utf8'))).toMatchObject({ steps: 1, finished: true });
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('<!doctype html>');

    const evaluated = await tapo('eval', out, '-n', '4', '--samples', '2', '--temperature', '1', '--json');
    expect(evaluated.err).toBe('');
    expect(JSON.parse(evaluated.out)).toMatchObject({ problems: 4, rollouts: 8, bySource: { nq: {}, easy: {} } });

    const rolled = await tapo('rollout', '1 + 1?', out, '--json', '--answer', '2');
    expect(JSON.parse(rolled.out)).toMatchObject({ question: '1 + 1?', targets: ['2'], promptLength: 6 });
  }, 60_000);
});

it('eval --before: beside an earlier evaluation of the same problems, with the curves of the run between them', async () => {
  const model = await writeTinyModel();
  const [first, second] = [join(model, 'first'), join(model, 'second')];
  await tapo('eval', model, '-n', '2', ...short, '--out', first);
  // as a run directory has them
  await writeFile(join(model, 'metrics.jsonl'), '{"step":1,"reward":0.1}\n{"step":2,"reward":0.2}\n');
  const later = await tapo('eval', model, '-n', '2', ...short, '--before', first, '--out', second);
  expect(later.out).toMatch(/^before\n[^]+ all +2 [^]+\nafter\n[^]+ all +2 /);
  const shows = async (directory: string) => {
    const html = await readFile(join(directory, 'report.html'), 'utf8');
    return { before: html.includes('before'), curves: html.includes('Training') };
  };
  expect(await shows(first)).toEqual({ before: false, curves: false });
  expect(await shows(second)).toEqual({ before: true, curves: true });
  const other = await tapo('eval', model, '-n', '3', ...short, '--before', first);
  expect(other.err).toContain('is of 2 rollouts, this evaluation has 3');
}, 120_000);

it('trains an adapter alone; the checkpoint goes with the base model', async () => {
  const model = await writeTinyModel();
  const out = join(await folder(), 'run');
  const trained = await tapo(
    'train',
    '--model',
    model,
    '--out',
    out,
    ...short,
    '--lora.rank',
    '2',
    '--lora.targets',
    '["q_proj"]',
  );
  expect([trained.code, trained.err]).toEqual([0, '']);
  const adapter = join(out, 'checkpoints/step-1/learner/adapter/adapter_config.json');
  expect(JSON.parse(await readFile(adapter, 'utf8'))).toMatchObject({ r: 2, target_modules: ['q_proj'] });
  const evaluated = await tapo('eval', out, '-n', '4', '--json');
  expect(JSON.parse(evaluated.out)).toMatchObject({ problems: 4 });
}, 60_000);

it('tapo init writes a config and a tool that work, and overwrites nothing', async () => {
  const directory = join(await folder(), 'new');
  expect((await tapo('init', directory)).code).toBe(0);
  expect((await tapo('tool', join(directory, 'dice.ts'), '2 6')).out).toMatch(/^[1-6] [1-6]$/);
  expect((await tapo('init', directory)).err).toContain('exists already');
});

it('tapo data index: a file for the search tool, or what is wrong with the passages', async () => {
  const passages = await file(
    'passages.jsonl',
    '{"title": "Chad", "text": "Chad lies in Africa."}\n\n{"text": "Mali"}\n',
  );
  const index = join(await folder(), 'new', 'index.sqlite');
  expect((await tapo('data', 'index', passages, index)).out).toMatch(/index\.sqlite: 2 passages, 0\.\d MB, \d\.\d s$/);
  expect(await failure('data', 'index', passages, passages)).toContain('choose another file for the index');
  expect(await failure('data', 'index', await folder(), index)).toContain('is a directory');
  expect(await failure('data', 'index', '/no/file', index)).toContain('no such file: /no/file');
  const empty = await file('empty.jsonl', '\n');
  expect(await failure('data', 'index', empty, index)).toContain('no passages to index');
  const odd = await file('odd.jsonl', '{"text": "a"}\n{"contents": "b"}\n');
  expect(await failure('data', 'index', odd, index)).toContain(
    `${odd}:2: wanted {"title": text, "text": text}, got {"contents"`,
  );
});

it('tapo data: build, convert, show', async () => {
  const directory = await folder();
  const [parquet, jsonl] = [join(directory, 'a.parquet'), join(directory, 'b.jsonl')];
  expect((await tapo('data', 'build', 'world', parquet, '-n', '3')).out).toContain('12 problems');
  expect((await tapo('data', 'convert', parquet, jsonl)).out).toContain('12 problems');
  const { out } = await tapo('data', 'show', jsonl, '-n', '1');
  expect(out).toContain('12 problems (nq 3, calculator 3, complex 3, easy 3)');
});
