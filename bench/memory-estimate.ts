/**
 * What `estimateMemory` foretells (`tapo model show`) against the peak of a process that does it; a table in Markdown:
 *
 *     node --import tsx --conditions=tapo-source bench/memory-estimate.ts [SIZE,…] [MODE,…]
 */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import {
  createLocalEngine,
  characterTokenizer,
  createTokenizer,
  estimateMemory,
  parameterShapes,
  parseModelConfig,
} from '@tapo/policy';

const shapes = {
  '4M': { hidden_size: 256, intermediate_size: 768, num_hidden_layers: 4, num_attention_heads: 8, num_key_value_heads: 2, vocab_size: 2000 },
  '25M': { hidden_size: 384, intermediate_size: 1024, num_hidden_layers: 8, num_attention_heads: 6, num_key_value_heads: 2, vocab_size: 30000 },
  // SmolLM2-135M
  '135M': { hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30, num_attention_heads: 9, num_key_value_heads: 3, vocab_size: 49152 },
}; // prettier-ignore

type Size = keyof typeof shapes;

const peakMemory = async () => Number(/VmHWM:\s+(\d+)/.exec(await readFile('/proc/self/status', 'utf8'))?.[1]) * 1024;

const configOf = (size: Size) =>
  parseModelConfig({ model_type: 'llama', tie_word_embeddings: true, max_position_embeddings: 8192, ...shapes[size] });

/** Prints the peak in bytes. */
async function measure(size: Size, mode: string, rows: number, length: number): Promise<void> {
  const config = configOf(size);
  const parameters = Object.fromEntries(
    Object.entries(parameterShapes(config)).map(([name, shape]) => {
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
      for (let i = 0, state = 1; i < data.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        data[i] = shape.length === 1 ? 1 : (state / 2 ** 32 - 0.5) * 0.05;
      }
      return [name, { data, shape, dtype: 'float32' as const }];
    }),
  );
  const tokenizer = { ...createTokenizer(characterTokenizer()), vocabSize: config.vocabSize };
  const engine = await createLocalEngine({
    config,
    parameters,
    transferParameters: true,
    tokenizer,
    gradientCheckpointing: mode.endsWith('+checkpointing'),
    ...(mode.startsWith('lora') && {
      lora: {
        rank: 16,
        alpha: 32,
        rsLora: false,
        targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
      },
    }),
  });
  if (mode === 'sample') {
    await Promise.all(
      Array.from({ length: rows }, (_, row) =>
        engine.policy.sample({
          sequenceId: String(row),
          tokens: Array.from({ length: length - 8 }, (_, i) => ((i * 7 + row) % 50) + 3),
          maxTokens: 8,
          stop: [],
          temperature: 1,
          topP: 1,
          topK: 0,
          seed: row,
        }),
      ),
    );
  } else {
    const size = rows * length;
    const batch = {
      rows,
      length,
      lengths: new Int32Array(rows).fill(length),
      inputs: new Int32Array(size).fill(5),
      targets: new Int32Array(size).fill(6),
      lossMask: new Float32Array(size).fill(1),
      weights: new Float32Array(size).fill(1 / size),
    };
    for (let step = 0; step < 2; step++) {
      await engine.learner.forwardBackward(batch, { name: 'cross-entropy' });
      await engine.learner.optimizerStep({ learningRate: 1e-4 });
    }
  }
  const peak = await peakMemory();
  await engine.close();
  console.log(peak);
}

/** As the engine chooses micro-batches by itself. */
function estimated(size: Size, mode: string, rows: number, length: number): { bytes: number; atOnce: number } {
  const gradientCheckpointing = mode.endsWith('+checkpointing');
  const { sampling, loraTraining, fullTraining, microBatchTokens } = estimateMemory(configOf(size), {
    rows,
    length,
    gradientCheckpointing,
  });
  if (mode === 'sample') return { bytes: sampling, atOnce: rows * length };
  return { bytes: mode.startsWith('lora') ? loraTraining : fullTraining, atOnce: microBatchTokens };
}

const [sizes = '4M,25M,135M', modes = 'sample,lora,lora+checkpointing,full', only] = process.argv.slice(2);
if (only) {
  const [rows, length] = only.split('x').map(Number) as [number, number];
  await measure(sizes as Size, modes, rows, length);
} else {
  const line = (...cells: string[]) => console.log(`| ${cells.join(' | ')} |`);
  line('model', 'what', 'rows × tokens', 'estimated, GB', 'measured, GB', 'deviation');
  line('---', '---', '---', '--:', '--:', '--:');
  for (const size of sizes.split(',') as Size[]) {
    for (const mode of modes.split(',')) {
      for (const [rows, length] of [
        [8, 128],
        [8, 512],
      ] as const) {
        const shape = `${rows}x${length}`;
        const args = ['--import', 'tsx', '--conditions=tapo-source', fileURLToPath(import.meta.url), size, mode, shape];
        const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
        const peak = Number(stdout.trim());
        if (!(peak > 0)) throw new Error(`${size} ${mode} ${shape} printed no peak: ${stderr.slice(-500)}`);
        const { bytes, atOnce } = estimated(size, mode, rows, length);
        const what = mode === 'sample' ? 'sampling' : `${mode.replace('+', ', ')}, ${atOnce} tokens at once`;
        const deviation = Math.round(100 * (bytes / peak - 1));
        const gigabytes = (value: number) => (value / 1e9).toFixed(2);
        line(
          size,
          what,
          `${rows} × ${length}`,
          gigabytes(bytes),
          gigabytes(peak),
          `${deviation > 0 ? '+' : ''}${deviation}%`,
        );
      }
    }
  }
}
