/**
 * The peak of a process that does what `estimateMemory` foretells (`tapo model show`); the comparison is made by hand:
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

async function measure(size: Size, mode: string, rows: number, length: number): Promise<void> {
  const before = await peakMemory();
  const config = parseModelConfig({
    model_type: 'llama',
    tie_word_embeddings: true,
    max_position_embeddings: 8192,
    ...shapes[size],
  });
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
  const loaded = await peakMemory();
  const tokenizer = { ...createTokenizer(characterTokenizer()), vocabSize: config.vocabSize };
  const checkpointing = mode.endsWith('+checkpointing');
  const engine = await createLocalEngine({
    config,
    parameters,
    tokenizer,
    gradientCheckpointing: checkpointing,
    microBatchTokens: rows * length,
    ...(mode.startsWith('lora') && {
      lora: {
        rank: 16,
        alpha: 32,
        rsLora: false,
        targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
      },
    }),
  });
  const started = await peakMemory();
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
  console.log(JSON.stringify({ before, loaded, started, peak }));
}

const [sizes = '4M,25M,135M', modes = 'sample,lora,lora+checkpointing,full', only] = process.argv.slice(2);
if (only) {
  const [rows, length] = only.split('x').map(Number) as [number, number];
  await measure(sizes as Size, modes, rows, length);
} else {
  for (const size of sizes.split(',')) {
    for (const mode of modes.split(',')) {
      for (const shape of ['8x128', '8x512']) {
        const args = ['--import', 'tsx', '--conditions=tapo-source', fileURLToPath(import.meta.url), size, mode, shape];
        const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
        console.log(size, mode, shape, stdout.trim() || stderr.slice(-500));
      }
    }
  }
}
