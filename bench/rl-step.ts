/**
 * One whole RL step against TRL's GRPOTrainer: the same model, the same 16 prompts, groups of 8, temperature 1, one update.
 * - random models, 64 tokens in every rollout: nothing is won by leaving early, and nothing lost by padding;
 * - the quickstart's policy on its own questions, until it closes its answer or 160 tokens are full, as RL really goes.
 * Neither computes log-probabilities from before the update apart: there is one update, and its own forward pass has them.
 */
import {
  characterTokenizer,
  createLocalEngine,
  loadModelDirectory,
  loadTokenizer,
  saveModelDirectory,
  writeTokenizerFiles,
  type LocalEngine,
  type Tokenizer,
} from '@tapo/policy';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createRlSteps, letterPrompts } from '../apps/trainer/src/bench/rl-step.js';
import { trainingProblems } from '../apps/trainer/src/problems.js';
import { quickstartConfig } from '../apps/trainer/src/quickstart.js';
import { alternate, median, type Contestant } from './alternate.js';
import { modelConfig, startEngine } from './policy-bench.js';
import type { BenchContext, Table } from './section.js';

const [PROBLEMS, GROUP] = [16, 8];

interface Workload {
  name: string;
  engine: LocalEngine<Tokenizer>;
  prompts: string[];
  /** the model as transformers loads it */
  directory: string;
  sampledTokens: number;
  /** every rollout is as long as it may be */
  fixed: boolean;
}

export async function rlStep(context: BenchContext): Promise<Table[]> {
  const title = `One RL step, ${PROBLEMS} × ${GROUP} rollouts, ${context.threads} threads`;
  const table: Table = { title, rows: [] };
  for (const size of context.sizes.filter((each) => each !== '135M')) {
    const engine = await startEngine(size, { threads: context.threads });
    const directory = await mkdtemp(join(tmpdir(), 'tapo-bench-'));
    await saveModelDirectory(directory, { config: modelConfig(size), parameters: await engine.parameters() });
    await writeTokenizerFiles(directory, characterTokenizer());
    const prompts = letterPrompts(PROBLEMS, 24);
    const name = `${size}, 64 tokens each`;
    table.rows.push(await compare({ name, engine, prompts, directory, sampledTokens: 64, fixed: true }, context));
  }
  table.rows.push(await compare(await quickstart(context.threads), context));
  return [table];
}

/** The shipped cold start, for which `</answer>` is the end here: TRL knows no stop strings. */
async function quickstart(threads: number): Promise<Workload> {
  const config = quickstartConfig();
  const directory = await mkdtemp(join(tmpdir(), 'tapo-bench-'));
  await cp(config.model, directory, { recursive: true });
  const file = join(directory, 'tokenizer_config.json');
  const settings = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...settings, eos_token: '</answer>' }));
  const tokenizer = await loadTokenizer(directory);
  const engine = await createLocalEngine({ ...(await loadModelDirectory(directory)), tokenizer, threads });
  const problems = (await trainingProblems(config)).filter(({ question }) => question.length < 100);
  const every = Math.floor(problems.length / PROBLEMS);
  const prompts = Array.from({ length: PROBLEMS }, (_, i) => problems[i * every]!.question);
  return { name: 'quickstart, until answered', engine, prompts, directory, sampledTokens: 160, fixed: false };
}

async function compare({ name, engine, prompts, directory, sampledTokens, fixed }: Workload, context: BenchContext) {
  const { python, rounds } = context;
  const steps = await createRlSteps({ engine, prompts, groupSize: GROUP, sampledTokens });
  const phases: Awaited<ReturnType<typeof steps.step>>[] = [];
  const contestants: Contestant[] = [{ name: 'tapo', run: async () => void phases.push(await steps.step()) }];
  if (python) {
    const setup = { directory, prompts, group: GROUP, tokens: sampledTokens, fixed, steps: rounds + 1 };
    await python.call('trlStart', setup);
    contestants.push({ name: 'trl', run: async () => (await python.call('trlStep')).ms });
  }
  const times = await alternate(contestants, rounds);
  await steps.close();
  await engine.close();
  await rm(directory, { recursive: true });
  const phase = (key: 'sample' | 'update') => median(phases.slice(1).map((each) => each[key] * 1000));
  const [tapo, trl] = [times['tapo']!, times['trl']!];
  return {
    workload: name,
    'tapo ms': tapo,
    'sample ms': phase('sample'),
    'update ms': phase('update'),
    ...(python && { 'TRL ms': trl, ratio: trl / tapo }),
  };
}
