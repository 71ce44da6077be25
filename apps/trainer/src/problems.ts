import { generateCalculator, readProblems, recordFormats } from '@tapo/data';
import type { Problem, RecordFormat } from '@tapo/data';
import { worldProblems } from '@tapo/data/world';
import type { WorldSplit } from '@tapo/data/world';
import { createScorer } from '@tapo/eval';
import { closest } from 'fastest-levenshtein';
import { existsSync } from 'node:fs';
import { UsageError } from './cli/command.js';
import type { ResolvedConfig } from './config/schema.js';

const builtIn = ['world', 'calculator'];

/** The problems to train on: a file of any size, or a generated set. */
export function trainingProblems({ data, seed }: Pick<ResolvedConfig, 'data' | 'seed'>): Promise<Problem[]> {
  return loadProblems(data.train, { format: data.format, split: 'rl', perSource: 512, seed });
}

/** Held-out problems: at most `count`; the same for every seed of a run. */
export function evaluationProblems({ data }: Pick<ResolvedConfig, 'data'>, count: number): Promise<Problem[]> {
  return loadProblems(data.evaluation, { format: data.format, split: 'eval', perSource: count, seed: 0, limit: count });
}

interface LoadProblemsOptions {
  format: string;
  split: WorldSplit;
  perSource: number;
  seed: number;
  limit?: number;
}

async function loadProblems(source: string, options: LoadProblemsOptions): Promise<Problem[]> {
  const { format, split, perSource, seed, limit = Infinity } = options;
  if (source === 'world') return worldProblems(split, { seed, perSource }).slice(0, limit);
  if (source === 'calculator') {
    const generated = generateCalculator({ seed: split === 'rl' ? seed : seed + 2 ** 31 });
    return Array.from({ length: Math.min(limit, perSource) }, () => generated.next().value);
  }
  if (!existsSync(source)) {
    const remedy = `give a .jsonl or .parquet file, or one of ${builtIn.join(', ')} (did you mean ${closest(source, builtIn)}?)`;
    throw new UsageError(`no problems at "${source}": no such file`, remedy);
  }
  if (!(recordFormats as readonly string[]).includes(format)) {
    throw new UsageError(`unknown data format "${format}"`, `known: ${recordFormats.join(', ')}`);
  }
  const problems: Problem[] = [];
  for await (const problem of readProblems(source, { format: format as RecordFormat, isKnownSource })) {
    problems.push(problem);
    if (problems.length >= limit) break;
  }
  if (problems.length === 0) throw new UsageError(`${source} has no problems`);
  return problems;
}

const probe = createScorer();

/** True if a scorer answers to the data source. */
function isKnownSource(dataSource: string): boolean {
  try {
    probe({ output: '<answer>1</answer>', expected: '1', metadata: { dataSource } });
    return true;
  } catch {
    return false;
  }
}
