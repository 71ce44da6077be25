import type { Summary } from '@tapo/eval';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { colors } from '../cli/colors.js';
import type { Command } from '../cli/command.js';
import { integerOption, textOption, UsageError } from '../cli/command.js';
import { serializableConfig } from '../config/serialize.js';
import { evaluate } from '../evaluate.js';
import type { Evaluation } from '../evaluate.js';
import { onInterrupt } from '../interrupt.js';
import { evaluationProblems, trainingProblems } from '../problems.js';
import { copyTokenizerFiles, modelOfCheckpoint } from '../model-files.js';
import { createProgress } from '../progress.js';
import { quickstartConfig, quickstartEvaluationProblems } from '../quickstart.js';
import { writeReport } from '../report-files.js';
import { openRunDirectory, readJson } from '../run-directory.js';
import { withSession } from '../session.js';
import { compareSummaries } from '../summary-table.js';
import { renderTrace } from '../trace.js';
import { openTrackers, trackerNames, trackOption } from '../trackers/open-trackers.js';
import { train } from '../train.js';
import { baseRecord } from '../trajectory-records.js';

const out = join('runs', 'quickstart');

export const quickstartCommand: Omit<Command, 'summary'> = {
  options: {
    seed: { type: 'string', value: 'N', description: 'seed of problems and draws (default 1)' },
    steps: { type: 'string', value: 'N', description: 'training steps (default 30)' },
    out: {
      type: 'string',
      short: 'o',
      value: 'DIR',
      description: `run directory (default ${out}); an old one is replaced`,
    },
    model: { type: 'string', value: 'DIR', description: 'another cold start than the shipped one' },
    backend: { type: 'string', value: 'NAME', description: 'compute engine, see tapo doctor (default auto)' },
    resume: { type: 'boolean', description: 'go on with an interrupted quickstart' },
    track: trackOption,
  },
  details:
    'Takes a tiny policy that knows the format and the tools but often chooses badly, and trains it with TAPO on\n' +
    'questions about countries and on sums, with a local search engine and a code interpreter. No network needed.',
  async run(input) {
    const path = textOption(input, 'out') ?? out;
    const resume = input.options['resume'] === true;
    const run = openRunDirectory(path);
    if (resume && !existsSync(join(path, 'before.json'))) {
      throw new UsageError(`${path} holds no interrupted quickstart`, 'start one: npm run quickstart');
    }
    const stored = resume ? ((await readJson(join(path, 'run.json'))) as { seed: number; steps: number }) : undefined;
    const seed = stored?.seed ?? integerOption(input, 'seed') ?? 1;
    const steps = stored?.steps ?? integerOption(input, 'steps', 1) ?? 30;
    const model = textOption(input, 'model');
    const backend = textOption(input, 'backend');
    const config = quickstartConfig({ seed, steps, ...(model && { model }), ...(backend && { backend }) });
    if (!resume) await rm(path, { recursive: true, force: true });

    const started = performance.now();
    const heldOut = await evaluationProblems(config, quickstartEvaluationProblems);
    const progress = createProgress({
      title: config.name,
      steps,
      rolloutsPerStep: config.rollout.problemsPerStep * config.rollout.groupSize,
    });
    const interrupt = onInterrupt('finishing this step, then saving; press again to quit at once', progress.note);
    try {
      await withSession(config, async ({ engine, tools, judge }) => {
        const { policy } = engine;
        const measure = async (label: string): Promise<Measurement> => {
          const onProblem = (done: number) =>
            progress.status(`held-out problems ${label} training: ${done} of ${heldOut.length}`);
          const options = { config, policy, tools, judge, onProblem };
          const greedy = await evaluate(heldOut, { ...options, label: `${label}-greedy` });
          const sampled = await evaluate(heldOut, { ...options, label: `${label}-sampled`, temperature: 1, seed: 1 });
          progress.status(undefined);
          return { greedy, sampled };
        };

        console.log(`${config.model}: ${engine.description}`);
        const before = resume ? await storedSummaries(path) : summariesOf(await measure('before'));
        if (!resume) {
          await run.writeJson('config.json', serializableConfig(config));
          await run.writeJson('run.json', { seed, steps, started: new Date().toISOString(), node: process.version });
          await run.writeJson('before.json', before);
        }
        const followed = { path, name: config.name, config: serializableConfig(config) };
        const trackers = await openTrackers(trackerNames(input), followed, { warn: progress.note });
        const { steps: done, finished } = await train(config, {
          engine,
          tools,
          problems: await trainingProblems(config),
          judge,
          run,
          resume,
          stopRequested: () => interrupt.requested,
          onCheckpoint: (directory) => copyTokenizerFiles(config.model, modelOfCheckpoint(directory)),
          onRollout: () => progress.rollout(),
          onStep(metrics) {
            progress.step(metrics);
            trackers.log(metrics.step, metrics);
          },
          warn: (message) => progress.note(message),
        });
        await trackers.close();
        if (!finished) {
          progress.close();
          console.log(
            `stopped after step ${done}, saved. Go on with: npm run quickstart -- --resume${path === out ? '' : ` --out ${path}`}`,
          );
          return;
        }

        const measured = await measure('after');
        progress.close();
        const after = summariesOf(measured);
        const seconds = (performance.now() - started) / 1000;
        await run.writeJson('summary.json', {
          seed,
          steps: done,
          seconds: Number(seconds.toFixed(1)),
          before: publishedSummary(before),
          after: publishedSummary(after),
        });
        const shown = oneOfEachSource(measured.greedy).map(({ problem, members }) => {
          const [{ trajectory, judgement }] = members as [(typeof members)[0]];
          return { ...baseRecord(problem, trajectory, judgement, policy.tokenizer), label: 'after' };
        });
        const report = await writeReport(run, {
          title: 'TAPO quickstart',
          summary: { seed, steps: done, seconds: Math.round(seconds), engine: engine.description },
          before: before.greedy,
          after: after.greedy,
          trajectories: shown,
          config: serializableConfig(config),
        });

        console.log(`\n${colors.bold('Held-out problems, after training')}`);
        for (const record of shown) console.log(`\n${renderTrace(record)}`);
        console.log(`\n${colors.bold(`${heldOut.length} held-out problems, greedy`)}`);
        console.log(compareSummaries(before.greedy, after.greedy));
        console.log(colors.bold('at temperature 1'));
        console.log(compareSummaries(before.sampled, after.sampled, { sources: false }));
        console.log(`\n${done} steps in ${seconds.toFixed(0)} s. Report: ${report}`);
        console.log(`Curves, and every rollout: tapo view ${path}`);
      });
    } finally {
      progress.close();
      interrupt.dispose();
    }
  },
};

interface Measurement {
  greedy: Evaluation;
  sampled: Evaluation;
}

interface Summaries {
  greedy: Summary;
  sampled: Summary;
}

function summariesOf({ greedy, sampled }: Measurement): Summaries {
  return { greedy: greedy.summary, sampled: sampled.summary };
}

async function storedSummaries(path: string): Promise<Summaries> {
  return (await readJson(join(path, 'before.json'))) as Summaries;
}

/** The part of summary.json that describes one moment: greedy decoding, and the accuracy at temperature 1. */
function publishedSummary({ greedy, sampled }: Summaries) {
  const bySource = Object.entries(greedy.bySource);
  return {
    accuracy: greedy.accuracy.value,
    sampledAccuracy: sampled.accuracy.value,
    bySource: Object.fromEntries(bySource.map(([source, { accuracy }]) => [source, accuracy.value])),
    formatRate: greedy.formatRate,
    callsPerProblem: greedy.callsPerProblem.value,
    callsBySource: Object.fromEntries(bySource.map(([source, summary]) => [source, summary.callsPerProblem.value])),
  };
}

function oneOfEachSource({ groups }: Evaluation) {
  const seen = new Set<string>();
  return groups.filter(({ problem }) => {
    const source = String(problem.metadata?.['source'] ?? problem.dataSource);
    return !seen.has(source) && seen.add(source);
  });
}
