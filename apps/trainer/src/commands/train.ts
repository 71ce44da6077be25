import type { BudgetSpent } from '@tapo/tools/budget';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, CommandInput } from '../cli/command.js';
import { textOption, UsageError } from '../cli/command.js';
import { loadConfig } from '../config/load.js';
import type { LoadedConfig } from '../config/load.js';
import { serializableConfig } from '../config/serialize.js';
import { evaluate } from '../evaluate.js';
import { onInterrupt } from '../interrupt.js';
import { evaluationProblems, trainingProblems } from '../problems.js';
import { copyTokenizerFiles, modelOfCheckpoint } from '../model-files.js';
import { createProgress } from '../progress.js';
import { writeReport } from '../report-files.js';
import { openRunDirectory, readJson, requireEmptyRun } from '../run-directory.js';
import type { RunDirectory } from '../run-directory.js';
import { withRecovery } from '../recovery.js';
import { withSession } from '../session.js';
import { openTrackers, trackerNames, trackOption } from '../trackers/open-trackers.js';
import { train } from '../train.js';

export const trainCommand: Omit<Command, 'summary'> = {
  options: {
    config: { type: 'string', short: 'c', value: 'FILE', description: 'default: tapo.config.ts or tapo.config.json' },
    out: { type: 'string', short: 'o', value: 'DIR', description: 'run directory; default: runs/NAME' },
    resume: { type: 'string', value: 'DIR', description: 'go on with the run in DIR from its newest checkpoint' },
    json: { type: 'boolean', description: 'print one JSON object per step' },
    track: trackOption,
  },
  overrides: true,
  details: 'Ctrl-C finishes the step, saves, and says how to go on; a second Ctrl-C quits at once.',
  examples: [
    'tapo train --model models/qwen2.5-0.5b --steps 200',
    'tapo train -c tapo.config.ts --optimizer.learningRate 1e-5 --out runs/lower',
    'tapo train --resume runs/lower',
  ],
  async run(input) {
    const resume = textOption(input, 'resume');
    const { config, file } = await configOfRun(input, resume);
    const path = resume ?? textOption(input, 'out') ?? join('runs', config.name);
    if (resume === undefined) await requireEmptyRun(path);
    const run = openRunDirectory(path);

    const problems = await trainingProblems(config);
    const { everySteps, problems: count } = config.evaluation;
    const heldOut = everySteps === 0 ? [] : await evaluationProblems(config, count);
    const json = input.options['json'] === true;
    const progress = createProgress({
      title: config.name,
      steps: config.steps,
      rolloutsPerStep: config.rollout.problemsPerStep * config.rollout.groupSize,
      json,
    });
    // what is told at the end: with --json stdout has objects only
    const say = json ? console.error : console.log;
    const interrupt = onInterrupt('finishing this step, then saving; press again to quit at once', progress.note);
    try {
      const started = performance.now();
      const warn = (message: string) => progress.note(message);
      const followed = { path, name: config.name, config: serializableConfig(config) };
      let trackers: Awaited<ReturnType<typeof openTrackers>> | undefined;
      let reached: number | undefined;
      const attempt = async (resuming: boolean) => {
        const spent = await readSpent(path);
        return withSession(
          config,
          async ({ engine, tools, toolbox, judge, reference }) => {
            if (engine.evaluationOnly !== undefined) {
              throw new UsageError(
                `this engine cannot train: ${engine.evaluationOnly}`,
                'docs/remote.md shows what can',
              );
            }
            progress.note(`${engine.description}, ${problems.length} problems`);
            await recordRun(run, config, { file, argv: input.argv, resume: resuming });
            trackers ??= await openTrackers(trackerNames(input), followed, { warn });
            reached ??= 0;
            const { budget, usage } = toolbox;
            const recordSpent = async () => {
              if (budget.queries > 0) await run.writeJson(spentFile, { queries: budget.queries, cost: budget.cost });
            };
            return train(config, {
              engine,
              tools,
              budget: budget.signal,
              usage,
              problems,
              judge,
              reference,
              run,
              resume: resuming,
              stopRequested: () => interrupt.requested,
              onCheckpoint: (directory) => copyTokenizerFiles(config.model, modelOfCheckpoint(directory)),
              onRollout: () => progress.rollout(),
              async onStep(metrics) {
                reached = Math.max(reached ?? 0, metrics.step);
                progress.step(metrics);
                trackers?.log(metrics.step, metrics);
                await recordSpent();
                if (everySteps === 0 || metrics.step % everySteps !== 0) return;
                const { summary } = await evaluate(heldOut, {
                  config,
                  policy: engine.policy,
                  tools,
                  judge,
                  onProblem: (done) => progress.status(`evaluation: ${done} of ${heldOut.length} problems`),
                });
                progress.status(undefined);
                // answers without tools would look like a policy that got worse
                if (budget.signal.aborted) return;
                await run.appendLine('evaluations', { step: metrics.step, ...summary });
                progress.note(`held-out accuracy ${(100 * summary.accuracy.value).toFixed(0)}% (greedy)`);
              },
              warn,
            }).finally(recordSpent);
          },
          { spent },
        );
      };
      const { steps, finished, reason } = await withRecovery(attempt, resume !== undefined, {
        recoveries: config.engine.name === 'tinker' ? config.tinker.recoveries : 0,
        reached: () => reached,
        resumeCommand: `tapo train --resume ${path}`,
        warn,
      });
      await trackers?.close();
      progress.close();
      const seconds = (performance.now() - started) / 1000;
      await run.writeJson('summary.json', { seed: config.seed, steps, finished, seconds });
      const report = await writeReport(run, {
        title: config.name,
        summary: { seed: config.seed, steps },
        config: serializableConfig(config),
      });
      say(finished ? `done: ${steps} steps. Report: ${report}` : `stopped after step ${steps}, saved.`);
      if (reason !== undefined) say(reason);
      const more = reason === undefined ? '' : raisedLimits(config.budget);
      say(finished ? `look at it: tapo view ${path}` : `go on with: tapo train --resume ${path}${more}`);
    } finally {
      progress.close();
      interrupt.dispose();
    }
  },
};

/** What the tools have spent since the run began: a fact of the world, so a step that is sampled again counts again. */
const spentFile = 'spent.json';

async function readSpent(path: string): Promise<BudgetSpent | undefined> {
  const file = join(path, spentFile);
  return existsSync(file) ? ((await readJson(file)) as BudgetSpent) : undefined;
}

/** Options that double the limits of a budget. */
function raisedLimits({ maxQueries, maxCost }: LoadedConfig['config']['budget']): string {
  return [
    maxQueries === undefined ? '' : ` --budget.maxQueries ${2 * maxQueries || 1000}`,
    maxCost === undefined ? '' : ` --budget.maxCost ${2 * maxCost || 1}`,
  ].join('');
}

/** A resumed run has its own config: the resolved one, or, with tools that are objects, its file read again. */
async function configOfRun(input: CommandInput, resume: string | undefined): Promise<LoadedConfig> {
  if (resume === undefined) return loadConfig({ file: textOption(input, 'config'), overrides: input.overrides });
  const file = join(resume, 'config.json');
  if (!existsSync(file)) throw new UsageError(`${resume} is no run directory: it has no config.json`);
  const own = textOption(input, 'config');
  return loadConfig({ file: own ?? file, overrides: input.overrides });
}

async function recordRun(
  run: RunDirectory,
  config: LoadedConfig['config'],
  { file, argv, resume }: { file: string | undefined; argv: readonly string[]; resume: boolean },
): Promise<void> {
  const started = new Date().toISOString();
  if (!resume) await run.writeJson('config.json', serializableConfig(config));
  await run.writeJson(resume ? 'resumed.json' : 'run.json', {
    started,
    configFile: file,
    command: ['tapo', 'train', ...argv].join(' '),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  });
}
