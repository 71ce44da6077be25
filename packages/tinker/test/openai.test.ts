import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOpenAISampler, type OpenAISamplerOptions } from '@tapo/tinker/openai';
import { afterEach, describe, expect, it } from 'vitest';
import { startOpenAIServer, type Asked, type OpenAIServerOptions } from './server/openai-server.js';
import { sampleTokens, toyParameters } from './server/toy-model.js';
import { toyTokenizer } from './server/toy-tokenizer.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** An adapter of the toy server is a directory that names the seed of its weights. */
function complete({ adapter, tokens, maxTokens, temperature, stop, seed }: Asked) {
  const weights = adapter === undefined ? 1 : Number(readFileSync(join(adapter, 'seed'), 'utf8'));
  const state = { parameters: toyParameters(weights), moments: {}, steps: 0 };
  const eos = toyTokenizer.eosTokenIds[0] as number;
  const stops = (sampled: readonly number[]) =>
    sampled.at(-1) === eos || stop.some((string) => toyTokenizer.decode(sampled).endsWith(string));
  const { stopReason, ...sampled } = sampleTokens(state, tokens, { maxTokens, temperature, seed, stops });
  return { ...sampled, ended: stopReason };
}

async function serve(options: Partial<OpenAIServerOptions> = {}) {
  const server = await startOpenAIServer({ ...toyTokenizer, complete, ...options });
  closers.push(server.close);
  return server;
}

function connect(baseUrls: string[], options: Partial<OpenAISamplerOptions> = {}) {
  const sampler = createOpenAISampler({
    baseUrls,
    tokenizer: toyTokenizer,
    backoffMs: 1,
    maxBackoffMs: 5,
    restMs: 20,
    ...options,
  });
  closers.push(sampler.close);
  return sampler;
}

async function adapter(seed: number): Promise<string> {
  const directory = join(await mkdtemp(join(tmpdir(), 'tapo-adapter-')), 'adapter');
  await mkdir(directory);
  await writeFile(join(directory, 'seed'), String(seed));
  return directory;
}

const prompt = toyTokenizer.encode('<a>12');
const request = {
  sequenceId: 'a',
  tokens: prompt,
  maxTokens: 8,
  temperature: 1,
  topP: 1,
  topK: 0,
  seed: 5,
  stop: ['d'],
};

describe.each(['vllm', 'sglang'] as const)('%s', (api) => {
  it('ids and log-probabilities are exactly what the server sampled, up to and with the stop string', async () => {
    const { policy, exact } = connect([(await serve()).url], { api });
    const free = await policy.sample({ ...request, stop: [] });
    expect([exact, free.stopReason, free.tokens.length]).toEqual([true, 'length', 8]);
    // the same draws again, now with the fourth character as a stop string
    const stop = toyTokenizer.decode(free.tokens.slice(3, 4));
    const count = toyTokenizer.decode(free.tokens).indexOf(stop) + 1;
    expect(await policy.sample({ ...request, stop: [stop] })).toEqual({
      tokens: free.tokens.slice(0, count),
      logprobs: free.logprobs.slice(0, count),
      stopReason: 'stop',
    });
    // another position draws with another seed
    const later = await policy.sample({ ...request, stop: [], tokens: [...prompt, 1] });
    expect(later.tokens).not.toEqual(free.tokens);
  });

  it('sends ids, limits and stops as the server wants them', async () => {
    const server = await serve();
    await connect([server.url], { api, apiKey: 'k' }).policy.sample({ ...request, topK: 7 });
    const wanted = {
      vllm: {
        path: '/v1/completions',
        body: { model: 'toy', prompt, max_tokens: 8, top_k: 7, stop: ['d'], return_token_ids: true },
      },
      sglang: {
        path: '/generate',
        body: {
          input_ids: prompt,
          return_logprob: true,
          sampling_params: { max_new_tokens: 8, top_k: 7, stop: ['d'] },
        },
      },
    };
    expect(server.log.at(-1)).toMatchObject({ authorization: 'Bearer k', ...wanted[api] });
  });

  it('a pushed adapter is used from then on, older ones are unloaded, names never repeat', async () => {
    const server = await serve();
    const { policy, loadAdapter } = connect([server.url], { api });
    const base = await policy.sample(request);
    const names = [await loadAdapter(await adapter(2))];
    expect((await policy.sample(request)).logprobs).not.toEqual(base.logprobs);
    names.push(await loadAdapter(await adapter(1)), await loadAdapter(await adapter(1)));
    expect(await policy.sample(request)).toEqual(base);
    expect(new Set(names).size).toBe(3);
    expect([...server.adapters.keys()]).toEqual(names.slice(1));
  });

  it('a server that was started again gets its adapter again', async () => {
    const first = await serve();
    const { policy, loadAdapter } = connect([first.url], { api });
    await loadAdapter(await adapter(2));
    const before = await policy.sample(request);
    await first.close();
    await serve({ port: first.port });
    expect(await policy.sample(request)).toEqual(before);
  });
});

it('SGLang replaces all weights; what fails says why', async () => {
  const { loadWeights } = connect([(await serve()).url], { api: 'sglang' });
  await loadWeights(await adapter(3));
  await expect(loadWeights('/nowhere')).rejects.toThrow('/nowhere not found');
  await expect(connect([(await serve()).url]).loadWeights('/x')).rejects.toThrow('cannot replace all weights');
});

it('a server without ids is refused as vLLM, and accepted as text only, marked as inexact', async () => {
  const server = await serve({ withoutIds: true });
  await expect(connect([server.url]).policy.sample(request)).rejects.toThrow(/no token_ids.*evaluate only/);
  const { policy, exact } = connect([server.url], { api: 'openai' });
  const tagged = { ...request, tokens: toyTokenizer.encode('a'), stop: ['</a>', '</b>'], maxTokens: 40 };
  const { tokens, logprobs } = await policy.sample(tagged);
  expect([exact, logprobs.every((logprob) => logprob === 0), logprobs.length]).toEqual([false, true, tokens.length]);
  expect(server.log.at(-1)?.body['prompt']).toBe('a');
});

it('text only: the stop string left out by the server is put back, and a bare end is EOS', async () => {
  const replies = ['x<a>1', 'done'].map((text) => ({ text, finish_reason: 'stop' }));
  const answer = () => ({ tokens: [], logprobs: [], ended: 'stop' as const });
  const server = await serve({ complete: answer, decode: () => replies.shift()?.text ?? '', withoutIds: true });
  const { policy } = connect([server.url], { api: 'openai' });
  const tagged = { ...request, stop: ['</a>', '</b>'], maxTokens: 40 };
  // the toy alphabet has no x and no n: they become its first character
  expect(await policy.sample(tagged)).toMatchObject({ tokens: toyTokenizer.encode('x<a>1</a>'), stopReason: 'stop' });
  expect(await policy.sample(tagged)).toMatchObject({
    stopReason: 'eos',
    tokens: [...toyTokenizer.encode('done'), 23],
  });
});

describe('several replicas', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ ...request, sequenceId: `s${i}`, seed: i }));

  it('share the load', async () => {
    const servers = [await serve({ latencyMs: 10 }), await serve({ latencyMs: 10 }), await serve({ latencyMs: 10 })];
    const { policy } = connect(
      servers.map(({ url }) => url),
      { model: 'toy' },
    );
    await Promise.all(many(12).map((each) => policy.sample(each)));
    expect(servers.map(({ log }) => log.length)).toEqual([4, 4, 4]);
    // the next turn of a sequence goes where its prefix is cached, whatever the load
    await Promise.all(
      Array.from({ length: 3 }, () => policy.sample({ ...request, sequenceId: 's0', tokens: [...prompt, 1] })),
    );
    expect(servers.map(({ log }) => log.length)).toEqual([7, 4, 4]);
  });

  it('one dies in the middle: every request is answered by the others, as if nothing had happened', async () => {
    const calm = connect([(await serve()).url]);
    const expected = await Promise.all(many(12).map((each) => calm.policy.sample(each)));
    const dying = await serve({ fault: (_, count) => (count > 2 ? 'drop' : undefined) });
    const alive = await serve();
    const warnings: string[] = [];
    const { policy } = connect([dying.url, alive.url], {
      model: 'toy',
      restMs: 60_000,
      onWarning: (message) => warnings.push(message),
    });
    expect(await Promise.all(many(12).map((each) => policy.sample(each)))).toEqual(expected);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`${dying.url} rests for 60 s`);
  });

  it('all dead for a while: requests wait and go on; dead for good: they fail after the patience', async () => {
    const server = await serve({ fault: (_, count) => (count < 4 ? 503 : undefined) });
    const patient = connect([server.url, server.url], { model: 'toy', restMs: 5 });
    expect((await patient.policy.sample(request)).tokens.length).toBeGreaterThan(0);
    const dead = connect(['http://127.0.0.1:9', 'http://127.0.0.1:9'], { model: 'toy', restMs: 5, patienceMs: 30 });
    await expect(dead.policy.sample(request)).rejects.toThrow('connection refused');
  });

  it('what a server refuses by right is not tried elsewhere', async () => {
    const [one, other] = [await serve({ fault: () => 422 }), await serve({ fault: () => 422 })];
    const { policy } = connect([one.url, other.url], { model: 'toy' });
    await expect(policy.sample(request)).rejects.toThrow('422');
    expect(one.log.length + other.log.length).toBe(1);
  });
});
