import { createLocalEngine, loadModel } from '@tapo/policy';
import { availableParallelism, cpus, totalmem } from 'node:os';
import colors from 'picocolors';
import { gflops, matrixProduct } from '../bench/gemm.js';
import { measure } from '../bench/measure.js';
import type { Phase } from '../bench/measure.js';
import { batchOf, endless, randomModel, sizes, trainingFlops } from '../bench/models.js';
import type { Size } from '../bench/models.js';
import { createRlSteps, letterPrompts } from '../bench/rl-step.js';
import { decode, prefill } from '../bench/sampling.js';
import type { Command, CommandInput } from '../cli/command.js';
import { integerOption, textOption, UsageError } from '../cli/command.js';
import { findModel } from '../find-model.js';

/** One line of the table. */
interface Measured extends Phase {
  phase: string;
  tokens?: number;
  note?: string;
}

const GEMM_SIZE = 2048;
const targets = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;

export const benchCommand: Omit<Command, 'summary'> = {
  options: {
    model: { type: 'string', value: 'MODEL', description: 'a model directory, a .gguf file or an id of the hub' },
    size: {
      type: 'string',
      value: 'SIZE',
      description: `a random model: ${Object.keys(sizes).join(', ')} (default 1M)`,
    },
    lora: { type: 'string', value: 'RANK', description: 'train adapters of this rank on all linear layers' },
    rows: { type: 'string', value: 'N', description: 'rows of a training batch (default 8)' },
    length: { type: 'string', value: 'N', description: 'tokens of a row (default 128)' },
    sequences: { type: 'string', value: 'N', description: 'sequences sampled at once (default 16)' },
    sampled: { type: 'string', value: 'N', description: 'tokens sampled in each (default 64)' },
    repeats: {
      type: 'string',
      value: 'N',
      description: 'measurements of each phase after the first, at most (default 3)',
    },
    seconds: {
      type: 'string',
      value: 'N',
      description: 'no further measurement of a phase after that long (default 30)',
    },
    threads: { type: 'string', value: 'N', description: 'cores to use (default all, at most 8)' },
    checkpointing: { type: 'boolean', description: 'gradient checkpointing: less memory, about a quarter more time' },
    json: { type: 'boolean', description: 'one line of JSON instead of a table' },
  },
  details:
    'Times and peak memory of what a run consists of: reading prompts, decoding, log-probabilities, forward and backward,\n' +
    'the optimizer step, and one whole RL step of 4 problems. Memory is that of the process at its highest meanwhile,\n' +
    'whatever came before. Progress goes to the error stream.',
  examples: ['tapo bench --size 10M', 'tapo bench --model SmolLM2.gguf --lora 16 --rows 8 --length 512'],
  async run(input) {
    const asked = (name: string, fallback: number) => integerOption(input, name, 1) ?? fallback;
    const threads = asked('threads', Math.min(8, availableParallelism()));
    const limits = { repeats: integerOption(input, 'repeats') ?? 3, budgetSeconds: asked('seconds', 30) };
    const json = input.options['json'] === true;
    const say = (text: string) => void (json || process.stderr.write(`${text}\n`));
    const rank = integerOption(input, 'lora', 1);
    const { config, parameters, tokenizer } = await chooseModel(input);
    say('model read; matrix products, then the engine');
    const peak = await gemmPeak(threads);
    const engine = await createLocalEngine({
      transferParameters: true,
      config,
      parameters,
      tokenizer,
      threads,
      gradientCheckpointing: input.options['checkpointing'] === true,
      ...(rank !== undefined && { lora: { rank, alpha: 2 * rank, targets: [...targets], rsLora: false } }),
    });
    try {
      const [rows, length] = [asked('rows', 8), asked('length', 128)];
      const batch = batchOf(Array<number>(rows).fill(length), config.vocabSize);
      const [sequences, sampled] = [asked('sequences', 16), asked('sampled', 64)];
      const { learner, info } = engine;
      const phases: Measured[] = [];
      const record = async (phase: string, tokens: number | undefined, action: () => Promise<number | void>) => {
        const measured = await measure(action, limits);
        const note = measured.repeats === 0 ? 'compilation included' : '';
        phases.push({ phase, ...measured, ...(tokens !== undefined && { tokens }), note });
        say(`${phase}: ${duration(measured.seconds)}`);
      };
      await record('prefill', Math.min(4, sequences) * length, prefill(engine.policy, Math.min(4, sequences), length));
      await record('decoding', sequences * sampled, decode(engine.policy, sequences, sampled));
      await record('log-probabilities', rows * length, async () => void (await learner.logprobs(batch)));
      await record('forward, backward', rows * length, async () => {
        await learner.forwardBackward(batch, { name: 'cross-entropy' });
      });
      await record('optimizer step', undefined, async () => {
        await learner.optimizerStep({ learningRate: 1e-6 });
      });
      const steps = await createRlSteps({
        engine,
        prompts: letterPrompts(4, 24),
        groupSize: Math.max(2, Math.round(sequences / 4)),
        sampledTokens: sampled,
      });
      await record('RL step', undefined, async () => void (await steps.step()));
      await steps.close();

      const backward = phases.find(({ phase }) => phase === 'forward, backward') as Measured;
      const share =
        rank === undefined
          ? trainingFlops(info.parameters, rows, length, config) / backward.seconds / 1e9 / peak
          : undefined;
      if (share !== undefined)
        backward.note = [backward.note, `${(100 * share).toFixed(0)}% of the GEMM peak`].filter(Boolean).join(', ');
      const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
      if (json) {
        console.log(JSON.stringify({ machine, ...info, gemmGflops: peak, shareOfGemmPeak: share, phases }));
        return;
      }
      const trained = info.trainedParameters === info.parameters ? '' : ` (${info.trainedParameters} trained)`;
      console.log(`${machine}; node ${process.version}`);
      console.log(`${info.parameters} parameters${trained} on ${info.backend}, ${threads} threads`);
      console.log(`matrix products of ${GEMM_SIZE}: ${peak.toFixed(0)} GFLOP/s\n`);
      for (const line of tableLines(phases)) console.log(line);
    } finally {
      await engine.close();
    }
  },
};

async function chooseModel(input: CommandInput) {
  const model = textOption(input, 'model');
  const size = textOption(input, 'size') ?? '1M';
  if (model === undefined) {
    if (!Object.hasOwn(sizes, size)) {
      throw new UsageError(`there is no size "${size}"`, `one of ${Object.keys(sizes).join(', ')}, or --model`);
    }
    return randomModel(size as Size);
  }
  const { tokenizer, ...loaded } = await loadModel(await findModel(model));
  return { ...loaded, tokenizer: endless(tokenizer) };
}

async function gemmPeak(threads: number): Promise<number> {
  const product = await matrixProduct(GEMM_SIZE, threads);
  let best = Infinity;
  for (let round = 0; round < 6; round++) best = Math.min(best, await product.run());
  await product.dispose();
  return gflops(GEMM_SIZE, best);
}

const duration = (seconds: number) => (seconds >= 1 ? `${seconds.toFixed(2)} s` : `${(seconds * 1000).toFixed(1)} ms`);

function tableLines(phases: readonly Measured[]): string[] {
  const cells = phases.map(({ phase, seconds, peakBytes, tokens, note = '' }) => [
    phase,
    duration(seconds),
    tokens === undefined ? '' : `${Math.round(tokens / seconds)}`,
    `${(peakBytes / 2 ** 30).toFixed(2)} GiB`,
    note,
  ]);
  const rows = [['', 'time', 'tokens/s', 'peak memory', ''], ...cells];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row, i) => {
    const line = row.map((cell, column) =>
      column === 0 || column === 4 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
    );
    return (i === 0 ? colors.dim : String)(`  ${line.join('  ')}`.trimEnd());
  });
}
