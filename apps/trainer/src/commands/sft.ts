import { createLocalEngine, mergeLora } from '@tapo/policy';
import type { LocalEngineOptions } from '@tapo/policy';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from '../cli/command.js';
import { textOption } from '../cli/command.js';
import { applyOverrides } from '../config/overrides.js';
import { readConfigFile } from '../config/load.js';
import { onInterrupt } from '../interrupt.js';
import { createProgress } from '../progress.js';
import { openRunDirectory } from '../run-directory.js';
import { resolveSftConfig, sftSchema } from '../sft/config.js';
import { openExamples } from '../sft/examples.js';
import { openSftModel } from '../sft/model.js';
import { trainSft } from '../sft/train.js';
import type { SftStep } from '../sft/train.js';
import type { StepMetrics } from '../step-metrics.js';
import { openTrackers, trackerNames, trackOption } from '../trackers/open-trackers.js';

export const sftCommand: Omit<Command, 'summary'> = {
  options: {
    config: { type: 'string', short: 'c', value: 'FILE', description: 'config of the cold start (JSON or TypeScript)' },
    log: { type: 'string', value: 'DIR', description: 'run directory for metrics.jsonl (default OUT.run)' },
    json: { type: 'boolean', description: 'print one JSON object per step' },
    track: trackOption,
  },
  overrides: true,
  details:
    'Writes a model directory in Hugging Face layout, with training.json: config, seed, command, losses; and a run\n' +
    'directory with metrics.jsonl, which tapo view shows.',
  examples: [
    'tapo sft --config quickstart/sft.json --out model',
    'tapo sft --model qwen --data.source traces.jsonl --out tuned --optimizer.learningRate 1e-5',
  ],
  async run(input) {
    const file = textOption(input, 'config');
    const written = file === undefined ? {} : await readConfigFile(file);
    const config = resolveSftConfig(applyOverrides(sftSchema, written, input.overrides), file ?? 'command line');
    const model = await openSftModel(config);
    const examples = await openExamples(config, model.tokenizer);
    const { backend, ...limits } = config.engine;
    const engine = await createLocalEngine({
      transferParameters: config.lora === null, // else merged at the end
      ...model,
      ...(config.lora !== null && { lora: config.lora }),
      backend: backend as NonNullable<LocalEngineOptions['backend']>,
      ...limits,
    });
    const name = `cold start ${config.out}`;
    const json = input.options['json'] === true;
    const progress = createProgress({
      title: name,
      steps: config.steps,
      rolloutsPerStep: config.rowsPerStep,
      // a large model takes a minute a step, a tiny one a tenth of a second
      plainEveryMs: 5000,
      json,
    });
    const say = json ? console.error : console.log;
    const interrupt = onInterrupt('finishing this step, then saving; again to quit at once', progress.note);
    const command = ['tapo', 'sft', ...input.argv].join(' ');
    // not in the model directory, which is replaced as a whole
    const run = openRunDirectory(textOption(input, 'log') ?? `${config.out}.run`);
    const started = performance.now();
    const losses: [step: number, loss: number][] = [];
    let tokens = 0;
    const recordEvery = Math.max(1, Math.round(config.steps / 40));
    try {
      const { parameters, trainedParameters } = engine.info;
      const part = trainedParameters === parameters ? '' : ` (${trainedParameters} trained)`;
      say(`${parameters} parameters${part} on ${engine.info.backend}, ${engine.info.threads} threads`);
      await run.writeText('metrics.jsonl', '');
      await run.writeJson('config.json', { name, ...config });
      await run.writeJson('run.json', { started: new Date().toISOString(), command, node: process.version });
      const followed = { path: run.path, name, config };
      const trackers = await openTrackers(trackerNames(input), followed, { warn: progress.note });
      const steps = await trainSft(config, {
        learner: engine.learner,
        examples,
        padId: model.tokenizer.padTokenId,
        stopRequested: () => interrupt.requested,
        async onStep(step) {
          tokens += step.tokens;
          if (step.step % recordEvery === 1 % recordEvery || step.step === config.steps)
            losses.push([step.step, step.loss]);
          const metrics = sftMetrics(step);
          await run.appendLine('metrics', metrics);
          trackers.log(step.step, metrics);
          progress.step(metrics);
        },
      });
      await trackers.close();
      progress.close();
      const seconds = (performance.now() - started) / 1000;
      const trained = await engine.parameters();
      await model.save(config.out, config.lora === null ? trained : mergeLora(model.parameters, trained, config.lora));
      const record = { command, config, steps, tokens, seconds, losses };
      await writeFile(join(config.out, 'training.json'), `${JSON.stringify(record, null, 2)}\n`);
      await run.writeJson('summary.json', { seed: config.seed, steps, finished: steps === config.steps, seconds });
      say(`${config.out}: ${steps} steps, ${tokens} tokens, ${seconds.toFixed(0)} s`);
    } finally {
      progress.close();
      interrupt.dispose();
      await engine.close();
    }
  },
};

/** A line of metrics.jsonl, with the names that training has for the same things. */
function sftMetrics({ tokens, learnedTokens, seconds, ...metrics }: SftStep): StepMetrics {
  return {
    ...metrics,
    trainedTokens: learnedTokens,
    trainedTokensPerSecond: tokens / seconds,
    seconds: { total: seconds },
    residentBytes: process.memoryUsage.rss(),
  };
}
