import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { generateCalculator, problemSource, readProblems, recordFormats, writeProblems } from '@tapo/data';
import type { Problem, RecordFormat } from '@tapo/data';
import { worldProblems } from '@tapo/data/world';
import type { WorldSplit } from '@tapo/data/world';
import { colors } from '../cli/colors.js';
import type { Command, CommandInput } from '../cli/command.js';
import { integerOption, textOption, UsageError } from '../cli/command.js';
import { closeBeforeExit } from '../interrupt.js';
import { importFor } from '../tools/named-tools.js';
import { readPassages } from '../tools/passages.js';
import { printable } from '../view/visible-text.js';

export const dataCommand: Omit<Command, 'summary'> = {
  positionals: {
    ACTION: 'build, show, convert or index',
    'ARGUMENTS...': 'build NAME OUT; show FILE; convert IN OUT; index PASSAGES OUT',
  },
  options: {
    format: {
      type: 'string',
      value: 'FORMAT',
      description: `layout of the records read: ${recordFormats.join(', ')} (default tapo)`,
    },
    split: { type: 'string', value: 'SPLIT', description: 'build world: sft, rl or eval (default rl)' },
    count: {
      type: 'string',
      short: 'n',
      value: 'N',
      description: 'build: problems of each source (default 256); show: how many (default 5)',
    },
    seed: { type: 'string', value: 'N', description: 'build: seed (default 1)' },
  },
  details:
    'Files are .jsonl or .parquet, by their name. build knows: world, calculator. index makes a file for the search tool\n' +
    'of a .jsonl file of {title, text}, of any size: {"name": "search", "index": OUT}.',
  examples: [
    'tapo data build world rl.parquet --split rl --count 500',
    'tapo data show rl.parquet',
    'tapo data convert nq.jsonl train.parquet --format nq',
    'tapo data index wikipedia.jsonl wikipedia.sqlite',
  ],
  async run(input) {
    const [action = '', ...rest] = input.positionals;
    const act = actions[action];
    if (act === undefined)
      throw new UsageError(`unknown action "${action}"`, `known: ${Object.keys(actions).join(', ')}`);
    await act(rest, input);
  },
};

const actions: Record<string, (paths: string[], input: CommandInput) => Promise<void>> = {
  async build([name, out], input) {
    if (name === undefined || out === undefined) throw new UsageError('wanted: tapo data build NAME OUT');
    const count = integerOption(input, 'count', 1) ?? 256;
    const seed = integerOption(input, 'seed') ?? 1;
    const written = await writeProblems(out, generated(name, { count, seed, split: splitOf(input) }));
    console.log(`${out}: ${written} problems`);
  },
  async show([file], input) {
    if (file === undefined) throw new UsageError('wanted: tapo data show FILE');
    const shown = integerOption(input, 'count', 0) ?? 5;
    const counts = new Map<string, number>();
    let total = 0;
    for await (const problem of readProblems(file, { format: formatOf(input) })) {
      counts.set(problemSource(problem), (counts.get(problemSource(problem)) ?? 0) + 1);
      if (total++ < shown) printProblem(problem);
    }
    const bySource = [...counts].map(([source, count]) => `${printable(source)} ${count}`).join(', ');
    console.log(`${file}: ${total} problems (${bySource})`);
  },
  async convert([from, to], input) {
    if (from === undefined || to === undefined) throw new UsageError('wanted: tapo data convert IN OUT');
    const written = await writeProblems(to, readProblems(from, { format: formatOf(input) }));
    console.log(`${to}: ${written} problems`);
  },
  async index([from, to]) {
    if (from === undefined || to === undefined) throw new UsageError('wanted: tapo data index PASSAGES OUT');
    await buildIndex(from, to);
  },
};

async function buildIndex(from: string, to: string): Promise<void> {
  if (resolve(from) === resolve(to))
    throw new UsageError(`${to} is what is to be indexed`, 'choose another file for the index');
  const { buildSqliteIndex } = await importFor(
    'tapo data index',
    '@libsql/client',
    () => import('@tapo/tools/search-sqlite'),
  );
  const [live, started] = [process.stderr.isTTY && process.env['CI'] === undefined, performance.now()];
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  const tell = (text: string) => live && process.stderr.write(`\r\u001b[K${text}`);
  const controller = new AbortController();
  let read = 0;
  const building = buildSqliteIndex(
    to,
    readPassages(from, (share) => (read = share)),
    {
      signal: controller.signal,
      onProgress: (passages) => tell(`${passages} passages, ${Math.round(100 * read)}% read, ${seconds()}`),
    },
  );
  const stopClosing = closeBeforeExit(() => {
    controller.abort(new Error('interrupted'));
    return building;
  });
  try {
    const count = await building;
    tell('');
    const { size } = await stat(to);
    console.log(`${to}: ${count} passages, ${(size / 1e6).toFixed(1)} MB, ${seconds()}`);
  } catch (error) {
    tell('');
    throw error;
  } finally {
    stopClosing();
  }
}

function generated(
  name: string,
  { count, seed, split }: { count: number; seed: number; split: WorldSplit },
): Problem[] {
  if (name === 'world') return worldProblems(split, { seed, perSource: count });
  if (name === 'calculator') {
    const problems = generateCalculator({ seed });
    return Array.from({ length: count }, () => problems.next().value);
  }
  throw new UsageError(`cannot build "${name}"`, 'known: world, calculator');
}

function splitOf(input: CommandInput): WorldSplit {
  const split = textOption(input, 'split') ?? 'rl';
  if (split === 'sft' || split === 'rl' || split === 'eval') return split;
  throw new UsageError(`unknown split "${split}"`, 'known: sft, rl, eval');
}

function formatOf(input: CommandInput): RecordFormat {
  const format = textOption(input, 'format') ?? 'tapo';
  if ((recordFormats as readonly string[]).includes(format)) return format as RecordFormat;
  throw new UsageError(`unknown data format "${format}"`, `known: ${recordFormats.join(', ')}`);
}

function printProblem(problem: Problem): void {
  const answers = problem.targets.map(printable).join(' | ');
  console.log(`${colors.dim(printable(problem.id))}  ${colors.cyan(problem.dataSource)}`);
  console.log(`  ${printable(problem.question)}\n  ${colors.green(answers)}`);
}
