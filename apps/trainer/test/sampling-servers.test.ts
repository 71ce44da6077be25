import { createLocalEngine, loadAdapterDirectory, loadModelDirectory, loadTokenizer } from '@tapo/policy';
import type { LocalEngine, Tokenizer } from '@tapo/policy';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { startOpenAIServer, type Asked } from '../../../packages/tinker/test/server/openai-server.js';
import { main } from '../src/cli/main.js';
import { resolveConfig } from '../src/config/schema.js';
import { openEngine } from '../src/open-engine.js';
import { openRunDirectory } from '../src/run-directory.js';
import type { StepMetrics } from '../src/step-metrics.js';
import { train } from '../src/train.js';
import { writeTinyModel } from './tiny-model.js';

let model: string;
let tokenizer: Tokenizer;
const engines = new Map<string | undefined, Promise<LocalEngine<Tokenizer>>>();

beforeAll(async () => {
  model = await writeTinyModel({ embeddingStd: 0.2 });
  tokenizer = await loadTokenizer(model);
});
afterAll(async () => {
  for (const engine of engines.values()) await (await engine).close();
});

/** What vLLM does, with our own engine behind it: the base model, or the base model with an adapter read from disk. */
async function engineOf(adapter: string | undefined): Promise<LocalEngine<Tokenizer>> {
  const loaded = await loadModelDirectory(model);
  const lora = adapter === undefined ? undefined : await loadAdapterDirectory(adapter, loaded);
  return createLocalEngine({ ...loaded, tokenizer, threads: 1, backend: 'cpu', ...(lora && { lora }) });
}

async function complete({ adapter, ...asked }: Asked) {
  if (!engines.has(adapter)) engines.set(adapter, engineOf(adapter));
  const { policy } = await (engines.get(adapter) as Promise<LocalEngine<Tokenizer>>);
  const sequenceId = `request-${Math.random()}`;
  const { tokens, logprobs, stopReason } = await policy.sample({ ...asked, sequenceId, topP: 1, topK: 0 });
  await policy.release(sequenceId);
  return { tokens, logprobs, ended: stopReason === 'length' ? ('length' as const) : ('stop' as const) };
}

const printed: string[] = [];
const spies = [vi.spyOn(console, 'log'), vi.spyOn(console, 'error')];
spies.forEach((spy) => spy.mockImplementation((line: string) => void printed.push(line)));
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  printed.length = 0;
});

async function serve(withoutIds = false) {
  const encode = (text: string) => tokenizer.encode(text);
  const decode = (tokens: readonly number[]) => tokenizer.decode(tokens);
  const server = await startOpenAIServer({ complete, encode, decode, withoutIds });
  closers.push(server.close);
  return server;
}

it('learns here, samples there: every pushed adapter is the weights that were trained', async () => {
  const servers = [await serve(), await serve()];
  const directory = await mkdtemp(join(tmpdir(), 'tapo-sampling-'));
  const config = resolveConfig({
    model,
    steps: 3,
    lora: { rank: 4 },
    engine: { threads: 1, backend: 'cpu' },
    sampler: { baseUrls: servers.map(({ url }) => url), adapterDirectory: directory },
    data: { template: 'minimal', maxPromptTokens: 8 },
    rollout: { problemsPerStep: 2, groupSize: 4, maxTokens: 16 },
    reward: { overlong: null },
    dynamicSampling: { enabled: false },
    optimizer: { learningRate: 0.05, warmupSteps: 1, problemsPerMiniBatch: 2 },
  });
  const engine = await openEngine(config);
  closers.push(engine.close);
  const lines: StepMetrics[] = [];
  await train(config, {
    engine,
    tools: [],
    problems: [{ id: 'a', question: 'a b', dataSource: 'default', targets: ['a'] }],
    // a reward that differs between rollouts, so that the weights move
    judge: (_, { tokens }) => {
      const score = new Set(tokens).size / 16;
      return { reward: score, score, accurate: false, wellFormed: true, answer: null };
    },
    run: openRunDirectory(join(directory, 'run')),
    onStep: (metrics) => void lines.push(metrics),
  });
  expect(lines.map(({ gradientNorm }) => (gradientNorm as number) > 0)).toEqual([true, true, true]);
  // The trainer's forward pass before the update agrees with what the servers sampled, also after the weights have moved.
  expect(lines.map(({ mismatchMax }) => (mismatchMax as number) < 1e-4)).toEqual([true, true, true]);
  const used = servers.flatMap(({ log }) => log.filter(({ path }) => path === '/v1/completions'));
  expect(new Set(used.map(({ body }) => body['model'])).size).toBe(3);
}, 120_000);

it('evaluates any endpoint; where it returns no ids, says so, and refuses to train', async () => {
  const server = await serve(true);
  const sampler = ['--engine', 'openai', '--sampler.baseUrls', JSON.stringify([server.url]), '--sampler.api', 'openai'];
  const common = ['--data.template', 'minimal', '--rollout.maxTokens', '96', '--data.maxPromptTokens', '64'];
  const shared = [...sampler, ...common, '--tools', '["search"]', '--reward.overlong', 'null'];
  expect(await main(['eval', model, '--problems', '2', '--json', ...shared])).toBe(0);
  expect(printed.join('\n')).toContain('for evaluation only: sampler.api "openai" returns neither token ids');
  expect(printed.join('\n')).toContain('"accuracy"');
  const out = join(await mkdtemp(join(tmpdir(), 'tapo-sampling-')), 'run');
  expect(await main(['train', '--model', model, '--out', out, ...shared])).toBe(1);
  expect(printed.join('\n')).toContain('this engine cannot train');
}, 120_000);
