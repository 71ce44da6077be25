import { createLocalEngine, mergeLora } from '@tapo/policy';
import type { LocalEngineOptions } from '@tapo/policy';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from '../cli/command.js';
import { textOption } from '../cli/command.js';
import { applyOverrides } from '../config/overrides.js';
import { readConfigFile } from '../config/load.js';
import { onInterrupt } from '../interrupt.js';
import { resolveSftConfig, sftSchema } from '../sft/config.js';
import { openExamples } from '../sft/examples.js';
import { openSftModel } from '../sft/model.js';
import { trainSft } from '../sft/train.js';
import type { SftStep } from '../sft/train.js';

/** A large model takes a minute a step, a tiny one a tenth of a second. */
const reportEveryMs = 5000;

export const sftCommand: Omit<Command, 'summary'> = {
  options: {
    config: { type: 'string', short: 'c', value: 'FILE', description: 'config of the cold start (JSON or TypeScript)' },
  },
  overrides: true,
  details: 'Writes a model directory in Hugging Face layout, with training.json: config, seed, command, losses.',
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
      ...model,
      ...(config.lora !== null && { lora: config.lora }),
      backend: backend as NonNullable<LocalEngineOptions['backend']>,
      ...limits,
    });
    const interrupt = onInterrupt('finishing this step, then saving; again to quit at once');
    const started = performance.now();
    const losses: [step: number, loss: number][] = [];
    let tokens = 0;
    let reported = started;
    const recordEvery = Math.max(1, Math.round(config.steps / 40));
    try {
      const { parameters, trainedParameters } = engine.info;
      const part = trainedParameters === parameters ? '' : ` (${trainedParameters} trained)`;
      console.log(`${parameters} parameters${part} on ${engine.info.backend}, ${engine.info.threads} threads`);
      const steps = await trainSft(config, {
        learner: engine.learner,
        examples,
        padId: model.tokenizer.padTokenId,
        stopRequested: () => interrupt.requested,
        onStep(step) {
          tokens += step.tokens;
          if (step.step % recordEvery === 1 % recordEvery || step.step === config.steps)
            losses.push([step.step, step.loss]);
          const now = performance.now();
          if (step.step !== 1 && step.step !== config.steps && now - reported < reportEveryMs) return;
          reported = now;
          console.log(describeStep(step, tokens / ((now - started) / 1000)));
        },
      });
      const seconds = (performance.now() - started) / 1000;
      const trained = await engine.parameters();
      await model.save(config.out, config.lora === null ? trained : mergeLora(model.parameters, trained, config.lora));
      const record = { command: ['tapo', 'sft', ...input.argv].join(' '), config, steps, tokens, seconds, losses };
      await writeFile(join(config.out, 'training.json'), `${JSON.stringify(record, null, 2)}\n`);
      console.log(`${config.out}: ${steps} steps, ${tokens} tokens, ${seconds.toFixed(0)} s`);
    } finally {
      interrupt.dispose();
      await engine.close();
    }
  },
};

function describeStep({ step, loss, gradientNorm, learningRate }: SftStep, tokensPerSecond: number): string {
  return [
    `step ${step}`,
    `loss ${loss.toFixed(3)}`,
    `gradient ${gradientNorm.toFixed(2)}`,
    `rate ${learningRate.toExponential(1)}`,
    `${tokensPerSecond.toFixed(0)} tokens/s`,
  ].join('  ');
}
