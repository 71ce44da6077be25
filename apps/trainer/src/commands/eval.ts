import { renderReport } from '@tapo/eval';
import type { MetricsRow, Summary } from '@tapo/eval';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from '../cli/command.js';
import { integerOption, numberOption, textOption, UsageError } from '../cli/command.js';
import { serializableConfig } from '../config/serialize.js';
import { evaluate } from '../evaluate.js';
import { evaluationProblems } from '../problems.js';
import { readJson, readJsonLines } from '../run-directory.js';
import { configForModel } from '../run-model.js';
import { withSession } from '../session.js';
import { describeSummary } from '../summary-table.js';
import { baseRecord } from '../trajectory-records.js';
import { printableJson } from '../view/visible-text.js';

export const evalCommand: Omit<Command, 'summary'> = {
  positionals: { 'MODEL?': 'a model directory or a run directory; default: `model` of the config' },
  options: {
    config: { type: 'string', short: 'c', value: 'FILE', description: 'default: tapo.config.ts or tapo.config.json' },
    problems: {
      type: 'string',
      short: 'n',
      value: 'N',
      description: 'default: evaluation.problems of the config (256)',
    },
    temperature: { type: 'string', value: 'T', description: '0 = greedy (default)' },
    samples: {
      type: 'string',
      short: 'k',
      value: 'K',
      description: 'rollouts per problem, for pass@k and maj@k (default 1)',
    },
    seed: { type: 'string', value: 'N', description: 'seed of the draws (default 0)' },
    out: {
      type: 'string',
      short: 'o',
      value: 'DIR',
      description: 'write report.html, report.json and trajectories there',
    },
    before: {
      type: 'string',
      value: 'DIR',
      description: 'what an earlier --out wrote for the same problems: printed and reported beside this one',
    },
    json: { type: 'boolean', description: 'print the summary as JSON' },
  },
  overrides: true,
  examples: [
    'tapo eval runs/first',
    `tapo eval models/qwen --engine openai --sampler.baseUrls '["http://gpu:8000"]'`,
    'tapo eval models/qwen --data.evaluation test.parquet --samples 8 --temperature 1',
    'tapo eval models/qwen --out before && tapo eval runs/first --before before --out after',
  ],
  async run(input) {
    const temperature = numberOption(input, 'temperature') ?? 0;
    const samples = integerOption(input, 'samples', 1) ?? 1;
    const seed = integerOption(input, 'seed') ?? 0;
    const count = integerOption(input, 'problems', 1);
    const config = await configForModel(input, input.positionals[0]);
    const problems = await evaluationProblems(config, count ?? config.evaluation.problems);
    const before = await earlierSummary(textOption(input, 'before'), problems.length * samples);
    await withSession(config, async ({ engine, tools, judge }) => {
      if (engine.evaluationOnly !== undefined) console.error(`note: for evaluation only: ${engine.evaluationOnly}`);
      const { summary, groups } = await evaluate(problems, {
        config,
        policy: engine.policy,
        tools,
        judge,
        temperature,
        samples,
        seed,
      });
      if (input.options['json'] === true) console.log(printableJson(summary, 2));
      else if (before === undefined) console.log(describeSummary(summary));
      else console.log(`before\n${describeSummary(before)}\nafter\n${describeSummary(summary)}`);
      const out = textOption(input, 'out');
      if (out === undefined) return;
      const { tokenizer } = engine.policy;
      const records = groups.flatMap(({ problem, members }) =>
        members.map(({ trajectory, judgement }) => baseRecord(problem, trajectory, judgement, tokenizer)),
      );
      const run = input.positionals[0];
      const curves = run === undefined ? '' : join(run, 'metrics.jsonl');
      const report = renderReport({
        title: `Evaluation of ${run ?? config.model}`,
        ...(before !== undefined && { before }),
        after: summary,
        metrics: existsSync(curves) ? ((await readJsonLines(curves)) as MetricsRow[]) : [],
        trajectories: records.slice(0, 32),
        config: serializableConfig(config),
      });
      await mkdir(out, { recursive: true });
      await writeFile(join(out, 'report.html'), report.html);
      await writeFile(join(out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
      await writeFile(join(out, 'trajectories.jsonl'), records.map((record) => `${JSON.stringify(record)}\n`).join(''));
      console.log(`report: ${join(out, 'report.html')}`);
    });
  },
};

/** @throws UsageError for one that is not there, or is of other problems */
async function earlierSummary(directory: string | undefined, rollouts: number): Promise<Summary | undefined> {
  if (directory === undefined) return undefined;
  const file = join(directory, 'summary.json');
  if (!existsSync(file)) {
    throw new UsageError(`--before ${directory}: no summary.json`, 'give the directory that tapo eval --out wrote');
  }
  const summary = (await readJson(file)) as Summary;
  if (summary.rollouts === rollouts) return summary;
  throw new UsageError(
    `--before ${directory} is of ${summary.rollouts} rollouts, this evaluation has ${rollouts}`,
    'take the same problems (--problems, data.evaluation) and --samples',
  );
}
