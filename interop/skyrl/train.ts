// TAPO on a real SkyRL server (JAX on the CPU). A tiny Llama learns two behaviours here, by supervised training of all its
// weights: call the interpreter, or make an answer up. SkyRL serves it, and the trainer's own loop with the real Python
// sandbox raises its reward through an adapter there. node --import tsx --conditions=tapo-source interop/skyrl/train.ts
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collate } from '@tapo/core';
import type { Problem } from '@tapo/data';
import { createLocalEngine, loadModelDirectory } from '@tapo/policy';
import { createTinkerEngine } from '@tapo/tinker';
import { openRunDirectory, train } from '@tapo/trainer';
import { createPython } from '@tapo/tools/python';
import { resolveConfig } from '../../apps/trainer/src/config/schema.js';
import { createJudge } from '../../apps/trainer/src/judge.js';
import { makeTinyModel } from './tiny-model.js';
import { installSkyrl, startSkyrl } from './server.js';

const STEPS = 20;
const COLD_START = 100;
const started = performance.now();
const seconds = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
const missing = installSkyrl();
if (missing) {
  console.log(`SKIPPED: SkyRL cannot be installed here: ${missing}`);
  process.exit(0);
}

/** question, program, what it prints */
const tasks = [
  ['a?', 'print(6*7)', '42'],
  ['b?', 'print(3+5)', '8'],
  ['c?', 'print(9-2)', '7'],
  ['d?', 'print(5*5)', '25'],
] as const;
const problems = tasks.map(([question, , target], i): Problem => {
  return { id: `toy/${i}`, question, dataSource: 'calculator', targets: [target] };
});

const scratch = await mkdtemp(join(tmpdir(), 'tapo-skyrl-'));
const directory = join(scratch, 'model');
const tokenizer = await makeTinyModel(directory);
/** One trace: [text, whether the policy wrote it]. */
function demonstration([question, program, printed]: (typeof tasks)[number], honest: boolean) {
  const made: [string, boolean][] = [[question, false]];
  if (honest) made.push([`<code>${program}</code>`, true], [`\n\n<response>${printed}</response>\n\n`, false]);
  made.push([`<answer>${honest ? printed : '0'}</answer>`, true]);
  const pieces = made.map(([text, sampled]) => ({ tokens: tokenizer.encode(text), mask: sampled ? 1 : 0 }));
  return {
    tokens: pieces.flatMap(({ tokens }) => tokens),
    lossMask: pieces.flatMap(({ tokens, mask }) => tokens.map(() => mask)),
  };
}

/** All weights, on this machine. (An adapter over random weights cannot learn it: it stays at a loss of 0.22, here as there.) */
async function coldStart(): Promise<void> {
  const local = await createLocalEngine({ ...(await loadModelDirectory(directory)), tokenizer });
  // Two out of three make an answer up.
  const batch = collate(tasks.flatMap((task) => [true, false, false].map((honest) => demonstration(task, honest))));
  for (let step = 1; step <= COLD_START; step++) {
    const { loss } = await local.learner.forwardBackward(batch, { name: 'cross-entropy' });
    await local.learner.optimizerStep({ learningRate: 5e-3 * Math.min(1, step / 20) });
    if (step % 50 === 0) console.log(`cold start ${step}/${COLD_START}  loss ${loss.toFixed(3)}`);
  }
  await local.learner.save(join(scratch, 'trained'));
  await local.close();
  await cp(join(scratch, 'trained', 'model'), directory, { recursive: true });
}

await coldStart();
const server = await startSkyrl(directory);
console.log(`SkyRL serves it after ${seconds()}`);
const engine = await createTinkerEngine({
  baseUrl: server.url,
  dialect: 'skyrl-jax',
  baseModel: directory,
  rank: 16,
  tokenizer,
});
const python = createPython({ workers: 1 });

try {
  const config = resolveConfig({
    name: 'skyrl',
    model: directory,
    steps: STEPS,
    tools: [python],
    engine: { name: 'tinker' },
    data: { template: 'minimal', maxPromptTokens: 16 },
    rollout: { problemsPerStep: 4, groupSize: 6, maxTokens: 48, maxTurns: 2 },
    reward: { mode: 'strict', overlong: null },
    dynamicSampling: { enabled: false },
    optimizer: { learningRate: 1e-3, warmupSteps: 1, problemsPerMiniBatch: 4, weightDecay: 0 },
    checkpoint: { everySteps: 10 },
  });
  const rewards: number[] = [];
  await train(config, {
    engine,
    tools: [python],
    problems,
    judge: createJudge(config, { tools: [python], tokenizer }),
    run: openRunDirectory(join(scratch, 'run')),
    onStep(metrics) {
      const [reward = 0, accuracy = 0, calls = 0] = ['reward', 'accuracy', 'callsPerProblem'].map((name) =>
        Number(metrics[name]),
      );
      rewards.push(reward);
      const mismatch = Number(metrics['mismatchMax']).toExponential(1);
      const shown = `reward ${reward.toFixed(2)}  accuracy ${accuracy.toFixed(2)}  calls ${calls.toFixed(2)}  sampler off by ${mismatch}`;
      console.log(`step ${metrics.step}/${STEPS}  ${shown}  ${seconds()}`);
    },
    warn: (message) => console.log(message),
  });
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [before, after] = [mean(rewards.slice(0, 4)), mean(rewards.slice(-4))];
  const risen = rewards.length === STEPS && after > before + 0.2;
  console.log(
    `${risen ? 'ok    ' : 'FAILED'}  mean reward of the first and last 4 steps: ${before.toFixed(2)} → ${after.toFixed(2)}`,
  );
  console.log(`${engine.client.requests} requests`);
  if (!risen) process.exitCode = 1;
} finally {
  await python.close?.();
  await engine.close();
  await server.close();
  await rm(scratch, { recursive: true });
}
