import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collate } from '@tapo/core';
import { createTinkerEngine, type TinkerEngine } from '@tapo/tinker';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startTinkerServer, type TinkerServerOptions } from './server/tinker-server.js';
import type { ToyState } from './server/toy-model.js';
import { toyTokenizer } from './server/toy-tokenizer.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tapo-tinker-'));
});
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await rm(directory, { recursive: true });
});

async function start(options: TinkerServerOptions = {}) {
  const server = await startTinkerServer(options);
  closers.push(server.close);
  return server;
}

async function open(baseUrl: string): Promise<TinkerEngine> {
  const retries = { backoffMs: 1, maxBackoffMs: 5, maxAttempts: 3 };
  const engine = await createTinkerEngine({ baseUrl, baseModel: 'toy', tokenizer: toyTokenizer, ...retries });
  closers.push(engine.close);
  return engine;
}

const request = { sequenceId: 'a', maxTokens: 20, temperature: 1, topP: 1, topK: 0, seed: 5, stop: [] as string[] };
const prompt = toyTokenizer.encode('<a>12');

/** reward 1 for "1", 0 for the rest: a step that can be seen in the log-probabilities */
const batch = collate([
  { tokens: [...prompt, 14, 14], lossMask: [0, 0, 0, 0, 0, 1, 1], advantage: 1, oldLogprobs: Array(7).fill(-3) },
  { tokens: [...prompt, 15, 16], lossMask: [0, 0, 0, 0, 0, 1, 1], advantage: -1, oldLogprobs: Array(7).fill(-3) },
]);

async function step(engine: TinkerEngine): Promise<number> {
  const { loss } = await engine.learner.forwardBackward(batch, { name: 'dapo' });
  await engine.learner.optimizerStep({ learningRate: 0.01 });
  return loss;
}

it('a sample is the same for the same seed and position, and differs between positions', async () => {
  const { policy } = await open((await start()).url);
  const first = await policy.sample({ ...request, tokens: prompt });
  expect(await policy.sample({ ...request, tokens: prompt })).toEqual(first);
  expect(first.tokens).toHaveLength(first.logprobs.length);
  const later = await policy.sample({ ...request, tokens: [...prompt, 1] });
  expect(later.tokens).not.toEqual(first.tokens);
});

it('sampled log-probabilities are those of the teacher-forced pass', async () => {
  const { policy, learner } = await open((await start()).url);
  const { tokens, logprobs } = await policy.sample({ ...request, tokens: prompt });
  const lossMask = [...prompt.map(() => 0), ...tokens.map(() => 1)];
  const forced = await learner.logprobs(collate([{ tokens: [...prompt, ...tokens], lossMask }]));
  // Position t predicts token t + 1, so the first sampled token stands at prompt.length − 1.
  const end = prompt.length - 1 + tokens.length;
  for (const [i, logprob] of forced.logprobs.slice(prompt.length - 1, end).entries()) {
    expect(Math.abs(logprob - (logprobs[i] as number))).toBeLessThan(1e-4);
  }
});

it('the sampler keeps its weights until syncSampler', async () => {
  const { policy, learner } = await open((await start()).url);
  const before = await policy.sample({ ...request, tokens: prompt });
  for (let i = 0; i < 3; i++) await step({ learner } as TinkerEngine);
  expect(await policy.sample({ ...request, tokens: prompt })).toEqual(before);
  await learner.syncSampler();
  expect((await policy.sample({ ...request, tokens: prompt })).logprobs).not.toEqual(before.logprobs);
});

it('a server killed and restarted: the run goes on from its checkpoint to the same numbers', async () => {
  const checkpoints = new Map<string, ToyState>();
  const first = await start({ checkpoints });
  const engine = await open(first.url);
  await step(engine);
  await engine.learner.save(directory);
  const expected = [await step(engine), await step(engine)];
  await first.close();
  await expect(step(engine)).rejects.toThrow(/connection refused|ECONNRESET|closed|socket/i);

  const restarted = await start({ checkpoints });
  const again = await open(restarted.url);
  await again.learner.load(directory);
  const resumed = [await step(again), await step(again)];
  resumed.forEach((loss, i) => expect(loss).toBeCloseTo(expected[i] as number, 6));
});

it('a checkpoint of something else is refused by name', async () => {
  const { learner } = await open((await start()).url);
  await expect(learner.load(directory)).rejects.toThrow(/tinker\.json is missing.*no checkpoint of a remote engine/);
});

it('two passes before a step are refused where the server averages over all of them', async () => {
  const server = await start({ reduction: 'datum-mean' });
  const options = { baseUrl: server.url, dialect: 'skyrl-jax' as const, baseModel: 'toy', tokenizer: toyTokenizer };
  const { learner, close } = await createTinkerEngine(options);
  closers.push(close);
  await learner.forwardBackward(batch, { name: 'dapo' });
  await expect(learner.forwardBackward(batch, { name: 'dapo' })).rejects.toThrow(/whole optimizer step/);
});

it('the trained adapter comes down as a PEFT directory, after any number of steps', async () => {
  const engine = await open((await start()).url);
  for (const steps of [1, 2]) {
    await step(engine);
    const target = join(directory, `adapter-${steps}`);
    await engine.learner.saveAdapter(target);
    expect((await readdir(target)).toSorted()).toEqual(['adapter_config.json', 'adapter_model.safetensors', 'nested']);
    expect(await readFile(join(target, 'adapter_model.safetensors'), 'utf8')).toBe(`weights after ${steps} steps`);
    expect((await readdir(join(target, 'nested')))[0]).toHaveLength('long-'.length * 25 + 'name.txt'.length);
  }
});
