// Overlap: the training loop with a sampler that answers after 200 ms and a tool that takes 1 s, one after the other and with
// the rollouts of the next step under way while one learns. Learning is a wait too, so the machine's speed does not count.
//   node --import tsx --conditions=tapo-source bench/overlap.ts [STEPS]
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch } from '@tapo/core';
import { openRunDirectory, train, type Engine, type StepMetrics } from '@tapo/trainer';
import { resolveConfig } from '../apps/trainer/src/config/schema.js';

const steps = Number(process.argv[2] ?? 12);
const SAMPLE_MS = 200;
const TOOL_MS = 1000;

const tokenizer = {
  encode: (text: string) => Array.from(text, (character) => character.charCodeAt(0)),
  decode: (tokens: readonly number[]) => String.fromCharCode(...tokens),
  eosTokenIds: [0],
  padTokenId: 0,
  vocabSize: 65_536,
};

/** Writes one call, then an answer. Two sample requests and one call a rollout: 2 · 200 ms + 1 s. */
function waitingEngine(learningMs: number): Engine {
  return {
    policy: {
      tokenizer,
      async sample({ tokens, seed }) {
        await sleep(SAMPLE_MS);
        const answers = tokenizer.decode(tokens).includes('</response>');
        const text = answers ? `<answer>${seed % 2}</answer>` : '<search>q</search>';
        const sampled = tokenizer.encode(text);
        return { tokens: sampled, logprobs: sampled.map(() => -1), stopReason: 'stop' };
      },
      release() {},
    },
    learner: {
      logprobs: async (batch: Batch) => ({ logprobs: new Float32Array(batch.rows * batch.length).fill(-1) }),
      async forwardBackward(batch) {
        await sleep(learningMs);
        return { loss: 0, logprobs: new Float32Array(batch.rows * batch.length).fill(-1) };
      },
      optimizerStep: async () => ({ gradientNorm: 1 }),
      save: async () => {},
      load: async () => {},
      syncSampler: async () => {},
      close: async () => {},
    },
    close: async () => {},
  };
}

async function secondsPerStep(overlap: number, learningMs: number) {
  const config = resolveConfig({
    model: 'none',
    steps,
    engine: { name: 'tinker' },
    data: { template: 'minimal', maxPromptTokens: 8 },
    rollout: { problemsPerStep: 16, groupSize: 4, maxTokens: 256 },
    reward: { overlong: null },
    optimizer: { problemsPerMiniBatch: 16 },
    checkpoint: { everySteps: 1000 },
    overlap: { steps: overlap },
  });
  const lines: StepMetrics[] = [];
  const started = performance.now();
  await train(config, {
    engine: waitingEngine(learningMs),
    tools: [{ name: 'search', description: 'takes its time', execute: (query) => sleep(TOOL_MS, String(query)) }],
    problems: Array.from({ length: 64 }, (_, i) => ({
      id: `p${i}`,
      question: 'q',
      dataSource: 'default',
      targets: ['1'],
    })),
    judge: (_, { tokens }) => {
      const accurate = tokenizer.decode(tokens).includes('<answer>1');
      return { reward: Number(accurate), score: Number(accurate), accurate, wellFormed: true, answer: null };
    },
    run: openRunDirectory(await mkdtemp(join(tmpdir(), 'tapo-bench-'))),
    onStep: (metrics) => void lines.push(metrics),
  });
  const staleness = Math.max(...lines.map((line) => (line['staleness'] as { max: number }).max));
  return { seconds: (performance.now() - started) / 1000 / steps, staleness };
}

console.log(`${steps} steps of 16 × 4 rollouts, each 2 samples of ${SAMPLE_MS} ms and a call of ${TOOL_MS} ms`);
for (const learningMs of [700, 1400, 2800]) {
  const sequential = await secondsPerStep(0, learningMs);
  const line = [`learning ${learningMs} ms: one after the other ${sequential.seconds.toFixed(2)} s/step`];
  for (const overlap of [1, 2]) {
    const { seconds, staleness } = await secondsPerStep(overlap, learningMs);
    line.push(
      `${overlap} ahead ${seconds.toFixed(2)} (${(sequential.seconds / seconds).toFixed(2)}x, staleness ≤ ${staleness})`,
    );
  }
  console.log(line.join(' · '));
}
