import type { Problem } from '@tapo/data';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResolvedConfig } from '../config/schema.js';
import { resolveConfig } from '../config/schema.js';
import type { Engine } from '../engine.js';
import type { Judge } from '../judged-group.js';
import { openRunDirectory } from '../run-directory.js';
import { train } from '../train.js';

export interface RlStepOptions {
  engine: Engine;
  /** one per problem of a step */
  prompts: readonly string[];
  groupSize: number;
  /** sampled after the longest prompt, at most */
  sampledTokens: number;
}

/** Whole steps of the training loop, one at a time. */
export interface RlSteps {
  /** Rollouts, rewards, advantages, log-probabilities, update; the loop's own seconds by phase. */
  step(): Promise<Record<'sample' | 'oldLogprobs' | 'update' | 'total', number>>;
  close(): Promise<void>;
}

/** The loop of `tapo train` without tools. The reward is a number that differs within a group and means nothing. */
export async function createRlSteps({ engine, prompts, groupSize, sampledTokens }: RlStepOptions): Promise<RlSteps> {
  const promptTokens = Math.max(...prompts.map((prompt) => engine.policy.tokenizer.encode(prompt).length)) + 1;
  const config = rlConfig(prompts.length, groupSize, promptTokens, sampledTokens);
  const directory = await mkdtemp(join(tmpdir(), 'tapo-bench-'));
  let report: (seconds: Awaited<ReturnType<RlSteps['step']>>) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  let goOn: () => void = () => {};
  let stopping = false;
  let running: Promise<unknown> | undefined;

  const start = () =>
    train(config, {
      engine,
      tools: [],
      problems: prompts.map((question, i): Problem => ({
        id: `${i}`,
        question,
        dataSource: 'default',
        targets: ['1'],
      })),
      judge,
      run: openRunDirectory(directory),
      stopRequested: () => stopping,
      // The next step waits here until it is asked for.
      onStep: (metrics) =>
        new Promise((resolve) => {
          goOn = resolve;
          report(metrics['seconds'] as Awaited<ReturnType<RlSteps['step']>>);
          if (stopping) resolve();
        }),
    });

  return {
    step: () =>
      new Promise((resolve, reject) => {
        [report, fail] = [resolve, reject];
        if (running) goOn();
        else running = start().catch((error: unknown) => fail(error));
      }),
    async close() {
      stopping = true;
      goOn();
      await running;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const judge: Judge = (_, { tokens }) => {
  const reward = tokens.reduce((sum, token) => sum + token, 0) % 7;
  return { reward, score: reward / 6, accurate: reward > 3, wellFormed: true, answer: null };
};

function rlConfig(problems: number, groupSize: number, promptTokens: number, sampledTokens: number): ResolvedConfig {
  return resolveConfig({
    name: 'bench',
    steps: 1_000_000,
    model: 'bench',
    tools: [],
    data: { template: 'minimal', maxPromptTokens: promptTokens },
    rollout: { problemsPerStep: problems, groupSize, maxTurns: 0, maxTokens: promptTokens + sampledTokens },
    reward: { overlong: null },
    dynamicSampling: { enabled: false },
    optimizer: { problemsPerMiniBatch: problems, learningRate: 1e-5 },
    checkpoint: { everySteps: 1_000_000 },
  });
}

/** Made-up prompts of so many letters each, which are their tokens under a character tokenizer. */
export function letterPrompts(count: number, length: number): string[] {
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const letter = (i: number, t: number) => letters[(i * 7 + t * 3 + i * t) % letters.length];
  return Array.from({ length: count }, (_, i) => Array.from({ length }, (_, t) => letter(i, t)).join(''));
}
