import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { chooseBackend, createLocalEngine, type LocalEngine, type SampleRequest } from '@tapo/policy';
import { engineBackend } from '../backend.js';
import { tinyConfig, tinyParameters, tokenizer } from './fixtures.js';

const config = tinyConfig();
/** Nothing ends a sequence by chance. */
const endless = { ...tokenizer, eosTokenIds: [] };
const start = (options = {}): Promise<LocalEngine> =>
  createLocalEngine({
    config,
    parameters: tinyParameters(config),
    tokenizer: endless,
    backend: engineBackend,
    threads: 1,
    ...options,
  });

function request(sequenceId: string, text: string, options: Partial<SampleRequest> = {}): SampleRequest {
  const tokens = tokenizer.encode(text);
  return { sequenceId, tokens, maxTokens: 12, stop: [], temperature: 1, topP: 1, topK: 0, seed: 5, ...options };
}

it.each([1, 2])('memory handed over is gone here, and %d workers compute as with copies', async (threads) => {
  const parameters = tinyParameters(config);
  const copied = await start({ threads });
  const given = await start({ threads, parameters, transferParameters: true });
  expect(Object.values(parameters).map(({ data }) => data.length)).toEqual(Object.keys(parameters).map(() => 0));
  expect(given.info).toEqual(copied.info);
  for (const id of ['a', 'b']) {
    expect(await given.policy.sample(request(id, 'hello'))).toEqual(await copied.policy.sample(request(id, 'hello')));
  }
  await Promise.all([copied.close(), given.close()]);
});

describe('an engine in its worker', () => {
  let engine: LocalEngine;
  beforeAll(async () => {
    engine = await start();
  });
  afterAll(() => engine.close());

  it('samples the same tokens for one seed, others for another', async () => {
    const first = await engine.policy.sample(request('a', 'hello'));
    const again = await engine.policy.sample(request('b', 'hello'));
    const other = await engine.policy.sample(request('c', 'hello', { seed: 6 }));
    expect(again).toEqual(first);
    expect(other.tokens).not.toEqual(first.tokens);
    expect(first).toMatchObject({ stopReason: 'length' });
    expect(first.tokens).toHaveLength(12);
  });

  it('stops after the token that completes a stop string', async () => {
    // The same draws as without a stop string, up to the string.
    const free = await engine.policy.sample(request('free', 'abc', { maxTokens: 40 }));
    const text = tokenizer.decode(free.tokens);
    const stop = text.slice(5, 8);
    const stopped = await engine.policy.sample(request('stopped', 'abc', { maxTokens: 40, stop: ['not there', stop] }));
    expect(stopped.stopReason).toBe('stop');
    expect(tokenizer.decode(stopped.tokens)).toBe(text.slice(0, text.indexOf(stop) + stop.length));
  });

  it('stops after an end-of-sequence token', async () => {
    const everyToken = { ...tokenizer, eosTokenIds: Array.from({ length: 90 }, (_, id) => id + 3) };
    const other = await start({ tokenizer: everyToken });
    const { tokens, stopReason } = await other.policy.sample(request('a', 'hello', { maxTokens: 100 }));
    expect(stopReason).toBe('eos');
    expect(everyToken.eosTokenIds).toContain(tokens.at(-1));
    await other.close();
  });

  it('gives no tokens when none are asked for, or the model can take no more', async () => {
    const none = { tokens: [], logprobs: [], stopReason: 'length' };
    expect(await engine.policy.sample(request('none', 'abc', { maxTokens: 0 }))).toEqual(none);
    const full = Array.from({ length: config.maxPositionEmbeddings }, () => 7);
    expect(await engine.policy.sample(request('full', '', { tokens: full }))).toEqual(none);
  });

  it.each([
    [{ tokens: [] }, 'it has no tokens'],
    [{ tokens: [1, 5000] }, 'token 5000 is not in the model'],
    [{ temperature: -1 }, 'temperature is -1'],
    [{ topP: 0 }, 'topP is 0'],
  ])('refuses %j', async (options, message) => {
    await expect(engine.policy.sample(request('bad', 'a', options))).rejects.toThrow(message);
  });

  it('an aborted request is rejected at once, the others go on, the sequence can be continued', async () => {
    const controller = new AbortController();
    const other = engine.policy.sample(request('other', 'hello', { maxTokens: 300 }));
    const long = request('long', 'hello', { maxTokens: 1500 });
    const aborted = engine.policy.sample(long, { signal: controller.signal });
    await sleep(20);
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    expect((await other).tokens).toHaveLength(300);
    const short = await engine.policy.sample({ ...long, maxTokens: 12 });
    expect(short.tokens).toEqual((await engine.policy.sample(request('fresh', 'hello'))).tokens);
  });

  it('the thread of the caller stays free while the engine computes', async () => {
    const maxTokens = 500;
    let turns = 0;
    let next = setImmediate(function turn() {
      turns++;
      next = setImmediate(turn);
    });
    await engine.policy.sample(request('busy', 'hello', { maxTokens }));
    clearImmediate(next);
    // Computing here, the loop would turn once for each run, so at most once a token. Beside it, it turns as often as it can: thousands
    // of times even where the scheduler has to divide its time among many.
    expect(turns).toBeGreaterThan(2 * maxTokens);
  });

  it('samples from the newest weights after an optimizer step, without stale keys and values', async () => {
    const one = await start();
    const prompt = tokenizer.encode('once upon a time');
    await one.policy.sample(request('kept', '', { tokens: prompt }));
    const inputs = Int32Array.from({ length: 64 }, (_, i) => 10 + (i % 20));
    const mask = new Float32Array(64).fill(1);
    const batch = {
      rows: 4,
      length: 16,
      lengths: new Int32Array(4).fill(16),
      inputs,
      targets: inputs.map((id) => id + 1),
    };
    const losses: number[] = [];
    for (let step = 0; step < 10; step++) {
      const weights = mask.map(() => 1 / 64);
      losses.push(
        (await one.learner.forwardBackward({ ...batch, lossMask: mask, weights }, { name: 'cross-entropy' })).loss,
      );
      await one.learner.optimizerStep({ learningRate: 1e-2 });
    }
    await one.learner.syncSampler();
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 3);
    const continued = await one.policy.sample(request('kept', '', { tokens: [...prompt, 15] }));
    const two = await start({ parameters: await one.parameters() });
    expect(await two.policy.sample(request('new', '', { tokens: [...prompt, 15] }))).toEqual(continued);
    await Promise.all([one.close(), two.close()]);
  });
});

// Only the compiled engine shares its work.
describe.runIf(engineBackend === 'compiled')('two workers', { timeout: 60_000 }, () => {
  const rows = 7;
  const size = rows * 20;
  const inputs = Int32Array.from({ length: size }, (_, i) => 10 + ((i * 7) % 80));
  const batch = {
    rows,
    length: 20,
    lengths: Int32Array.of(20, 3, 11, 20, 8, 1, 15),
    inputs,
    targets: inputs.map((id) => id + 1),
    lossMask: new Float32Array(size).fill(1),
    weights: new Float32Array(size).fill(1 / size),
  };

  /** Two steps, then samples of several prompts. */
  async function run(engine: LocalEngine) {
    const first = await engine.learner.forwardBackward(batch, { name: 'cross-entropy' });
    const gradient = await engine.gradients();
    const norms = [await engine.learner.optimizerStep({ learningRate: 1e-3 })];
    await engine.learner.forwardBackward(batch, { name: 'cross-entropy' });
    norms.push(await engine.learner.optimizerStep({ learningRate: 1e-3 }));
    const { logprobs } = await engine.learner.logprobs(batch);
    const samples = await Promise.all(
      Array.from({ length: 9 }, (_, i) => engine.policy.sample(request(`s${i}`, `prompt ${i >> 1}`, { seed: i }))),
    );
    return { first, gradient, norms, logprobs, samples };
  }

  it('sample what one samples, to the bit, and learn what one learns, to 1e-5', async () => {
    const [one, two] = await Promise.all([start(), start({ threads: 2 })]);
    expect([one.info.workers, two.info.workers]).toEqual([1, 2]);
    const weights = { parameters: await one.parameters() };
    const [expected, result] = [await run(one), await run(two)];
    expect(result.first.loss).toBeCloseTo(expected.first.loss, 5);
    for (const [name, { data }] of Object.entries(expected.gradient)) {
      const other = result.gradient[name]!.data;
      const distance = Math.hypot(...data.map((value, i) => value - (other[i] as number)));
      expect(distance).toBeLessThan(1e-5 * Math.hypot(...data));
    }
    // Each position's own result does not depend on which worker computed it.
    result.first.logprobs.forEach((value, i) => expect(value).toBeCloseTo(expected.first.logprobs[i] as number, 5));
    const again = await start({ threads: 2, ...weights });
    expect(await run(again)).toEqual(result);
    // The same weights in one worker: the same samples to the bit.
    const single = await start({ parameters: await two.parameters() });
    const samples = Array.from({ length: 9 }, (_, i) =>
      single.policy.sample(request(`s${i}`, `prompt ${i >> 1}`, { seed: i })),
    );
    expect(await Promise.all(samples)).toEqual(result.samples);
    await Promise.all([one, two, again, single].map((engine) => engine.close()));
  });

  it('go on from a checkpoint to the bit', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tapo-workers-'));
    const [through, resumed] = await Promise.all([start({ threads: 2 }), start({ threads: 2 })]);
    await run(through);
    await through.learner.save(join(directory, 'state'));
    const expected = await run(through);
    await resumed.learner.forwardBackward(batch, { name: 'cross-entropy' }); // a gradient that loading must drop, everywhere
    await resumed.learner.load(join(directory, 'state'));
    expect(await run(resumed)).toEqual(expected);
    await Promise.all([through.close(), resumed.close(), rm(directory, { recursive: true })]);
  });
});

describe('faults', () => {
  it('closing rejects what is pending, and whatever is asked later', async () => {
    const engine = await start();
    const pending = engine.policy.sample(request('a', 'hello', { maxTokens: 1500 }));
    const closed = engine.close();
    await expect(pending).rejects.toThrow('the engine was closed');
    await closed;
    await expect(engine.learner.syncSampler()).rejects.toThrow('the engine was closed');
    await engine.close();
  });

  it('a model and a tokenizer that disagree are refused before anything starts', async () => {
    await expect(start({ config: tinyConfig({ vocab_size: 5000 }) })).rejects.toThrow('tokenizer and model disagree');
  });

  it('a backend that cannot be loaded says why', async () => {
    await expect(start({ backend: 'tfjs-node-gpu' })).rejects.toThrow(
      /backend "tfjs-node-gpu" cannot be used: @tensorflow\/tfjs-node-gpu is installed without/,
    );
  });

  it('says which backend it chose and why the others were not', async () => {
    const { backend, reason, rejected } = await chooseBackend();
    expect(backend).toBe('compiled');
    expect(reason).not.toBe('');
    expect(rejected.map((each) => each.backend)).toEqual(['tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu']);
  });
});
