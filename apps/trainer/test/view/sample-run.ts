import { dapoLossScalar, hashSeed } from '@tapo/core';
import type { Batch } from '@tapo/core';
import { worldProblems } from '@tapo/data/world';
import { characterTokenizer, createTokenizer, writeTokenizerFiles } from '@tapo/policy';
import type { Policy } from '@tapo/rollout';
import type { Tool } from '@tapo/tools';
import { resolveConfig } from '../../src/config/schema.js';
import type { Config } from '../../src/config/schema.js';
import { createJudge } from '../../src/judge.js';
import type { Learner } from '../../src/learner.js';
import { openRunDirectory } from '../../src/run-directory.js';
import { openTools } from '../../src/tools/toolbox.js';
import { train } from '../../src/train.js';

const tags = ['think', 'search', 'code', 'answer', 'response'].flatMap((tag) => [`<${tag}>`, `</${tag}>`]);
const tokenizerFiles = characterTokenizer({ tags });

export interface SampleRunOptions {
  steps?: number;
  seed?: number;
  /** merged into the config, which is also what decides how fast the sample gets better */
  config?: Partial<Config>;
  /** leaves summary.json away, as a run that is going on */
  running?: boolean;
  /** awaited after each step */
  onStep?: () => Promise<void> | void;
}

/**
 * Writes a run directory as `tapo train` does: the real loop, tools, judge and writers, around a policy that follows a
 * script and gets better with every step, whatever it is taught.
 */
export async function writeSampleRun(path: string, options: SampleRunOptions = {}): Promise<void> {
  const { steps = 12, seed = 1, config: changes = {}, running = false, onStep = () => {} } = options;
  const config = resolveConfig({
    name: 'sample',
    model: 'script',
    seed,
    steps,
    data: { template: 'minimal', balanced: true, maxPromptTokens: 96 },
    rollout: { problemsPerStep: 4, groupSize: 4, maxTokens: 320, maxObservationTokens: 96, maxTurns: 3 },
    reward: { overlong: null },
    dynamicSampling: { maxDraws: 2 },
    optimizer: { learningRate: 1e-4, warmupSteps: 5, problemsPerMiniBatch: 2 },
    checkpoint: { everySteps: 1000 },
    ...changes,
  });
  const run = openRunDirectory(path);
  await run.writeJson('config.json', config);
  await run.writeJson('run.json', { started: new Date().toISOString(), node: process.version });
  await writeTokenizerFiles(path, tokenizerFiles);

  const { tools: searchTools, close } = await openTools([{ name: 'search', documents: 'world', topK: 1 }]);
  const tools = [...searchTools, calculator];
  const engine = scriptedEngine(steps * Math.min(4, 1e-4 / config.optimizer.learningRate));
  await train(config, {
    engine,
    tools,
    problems: worldProblems('rl', { seed, perSource: 6 }),
    judge: createJudge(config, { tools, tokenizer: engine.policy.tokenizer }),
    run,
    onStep,
  });
  await close();
  if (!running) await run.writeJson('summary.json', { seed, steps, finished: true, seconds: steps });
}

/** Prints sums and quotients of two numbers; everything else fails as Python would. */
const calculator: Tool<string> = {
  name: 'python',
  tag: 'code',
  description: 'computes',
  async execute(program) {
    const match = /^print\((?:round\()?(-?\d+)([-+*/])(-?\d+)(?:,2\))?\)$/.exec(program);
    if (!match) throw new Error(`SyntaxError: invalid syntax: ${program}`);
    const [a, b] = [Number(match[1]), Number(match[3])];
    const results: Record<string, number> = {
      '+': a + b,
      '-': a - b,
      '*': a * b,
      '/': Math.round((a / b) * 100) / 100,
    };
    return String(results[match[2] as string]);
  },
};

function scriptedEngine(stepsToSkill: number) {
  const tokenizer = createTokenizer(tokenizerFiles);
  let step = 0;
  const uniform = (...keys: (string | number)[]) => (hashSeed(7, ...keys) % 2 ** 32) / 2 ** 32;
  const policy: Policy = {
    tokenizer,
    async sample({ tokens, seed }) {
      const text = tokenizer.decode(tokens);
      const skill = 0.25 + 0.7 * Math.min(1, step / stepsToSkill);
      const wrong = uniform(seed, 'wrong') > skill;
      const sampled = tokenizer.encode(nextText(text, wrong ? uniform(seed, 'how') : undefined));
      return {
        tokens: sampled,
        logprobs: sampled.map((token, i) => -3 * (1 - 0.6 * skill) * uniform(token, i, seed) ** 6),
        stopReason: 'stop',
      };
    },
    release() {},
  };
  const beforeUpdate = ({ rolloutLogprobs = new Float32Array() }: Batch) =>
    rolloutLogprobs.map((value, i) => value - 2e-3 * uniform(i, step));
  const learner: Learner = {
    logprobs: async (batch) => ({ logprobs: beforeUpdate(batch) }),
    async forwardBackward(batch, spec) {
      if (spec.name !== 'dapo') throw new Error('only dapo');
      const drift = (i: number) => 0.25 * (uniform(i, step, 'drift') - 0.5) + 0.03 * (batch.advantages?.[i] ?? 0);
      const logprobs = batch.oldLogprobs?.map((value, i) => Math.min(-1e-6, value + drift(i))) ?? beforeUpdate(batch);
      const entropies = logprobs.map((value) => -0.6 * value);
      return { loss: dapoLossScalar(batch, logprobs, spec).loss, logprobs, entropies };
    },
    optimizerStep: async () => ({ gradientNorm: 0.2 + 0.6 * uniform(step, 'norm') }),
    async save() {},
    async load() {},
    async syncSampler() {
      step++;
    },
    async close() {},
  };
  return { policy, learner, close: async () => {} };
}

/** What comes next. @param mistake which of several mistakes to make, from 0 to 1; undefined = none */
function nextText(text: string, mistake: number | undefined): string {
  const observations = [...text.matchAll(/<response>(.*?)<\/response>/gs)].map((match) => match[1] as string);
  const last = observations.at(-1) ?? '';
  const question = text.split('<')[0] as string;
  if (mistake !== undefined && mistake < 0.45) return '<think>easy</think><answer>Lutetia</answer>';
  if (mistake !== undefined && mistake < 0.6)
    return `I know this: ${question.length * 7}<answer>${question.length}</answer>`;
  if (mistake !== undefined && mistake < 0.75 && observations.length === 0)
    return '<think>try</think><code>print(x)</code>';

  const fact = /^(Capital|Region|Area) of ([^?]*?)\?/.exec(question);
  const pair = /^Area of (.*?) ([-+*/]) area of (.*?)\?/.exec(question);
  const sum = /^(\d+) ([-+*/]) (\d+)\?/.exec(question);
  const found = observations.flatMap((seen) => /Doc 1: (.*?) \((.*), (.*?)\) (\d+)/.exec(seen)?.slice(1) ?? []);
  if (pair) {
    const [, first, operator, second] = pair as unknown as [string, string, string, string];
    if (observations.length === 0) return `<think>find both areas</think><search>${first}</search>`;
    if (observations.length === 1) return `<search>${second}</search>`;
    if (observations.length === 2) return `<think>compute</think><code>print(${found[3]}${operator}${found[7]})</code>`;
    return `<answer>${last}</answer>`;
  }
  if (fact) {
    if (observations.length === 0) return `<think>find</think><search>${fact[2]}</search>`;
    const [, capital = 'unknown', region, area] = found;
    return `<answer>${{ Capital: capital, Region: region, Area: area }[fact[1] as string]}</answer>`;
  }
  if (sum && observations.length === 0) return `<think>compute</think><code>print(${sum[1]}${sum[2]}${sum[3]})</code>`;
  if (observations.length > 0) return `<answer>${last}</answer>`;
  const digits = [...question.matchAll(/\d+/g)].map(([digit]) => Number(digit));
  return `<think>easy</think><answer>${digits.reduce((total, digit) => total + digit, 0)}</answer>`;
}
