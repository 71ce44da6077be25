import {
  createTinkerClient,
  encodedText,
  float32,
  int64,
  TinkerError,
  type Datum,
  type TinkerClientOptions,
} from '@tapo/tinker';
import { afterEach, describe, expect, it } from 'vitest';
import { startTinkerServer, type Fault, type TinkerServerOptions } from './server/tinker-server.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const fast = { backoffMs: 1, maxBackoffMs: 5 };

async function connect(serverOptions: TinkerServerOptions = {}, options: Partial<TinkerClientOptions> = {}) {
  const server = await startTinkerServer(serverOptions);
  const client = createTinkerClient({ baseUrl: server.url, ...fast, ...options });
  closers.push(server.close, client.close);
  return { server, client };
}

async function model(serverOptions: TinkerServerOptions = {}, options: Partial<TinkerClientOptions> = {}) {
  const connected = await connect(serverOptions, options);
  const session = await connected.client.createSession();
  return { ...connected, session, model: await session.createModel({ baseModel: 'toy', rank: 8 }) };
}

const datum = (tokens: number[]): Datum => ({
  model_input: encodedText(tokens.slice(0, -1)),
  loss_fn_inputs: {
    target_tokens: int64(tokens.slice(1)),
    weights: float32(
      tokens.slice(1).map(() => 1),
      'weights',
    ),
  },
});

const adam = { learning_rate: 0.05, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0, grad_clip_norm: 1 };
const crossEntropy = { lossFn: 'cross_entropy' as const };
const sampling = { max_tokens: 5, temperature: 1, top_p: 1, top_k: -1, seed: 3 };
const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('one model', () => {
  it('learns a sequence, saves, loads, and samples the same from the loaded weights', async () => {
    const { model: trained, session, client } = await model();
    expect(await client.health()).toBe('ok');
    expect(await client.supportedModels()).toEqual(['toy']);
    const data = [datum([1, 2, 3, 4, 5])];
    const losses: number[] = [];
    for (let step = 0; step < 8; step++) {
      // Not awaited in between: the server keeps the order.
      const pass = trained.forwardBackward(data, crossEntropy);
      const metrics = trained.optimStep(adam);
      losses.push(-mean((await pass).loss_fn_outputs[0]?.logprobs.data ?? []));
      expect((await metrics)['skyrl.ai/grad_norm']).toBeGreaterThan(0);
    }
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 2);

    const path = await trained.saveWeights('after-8');
    const again = await session.createModel({ baseModel: 'toy' });
    await again.loadWeights(path);
    const sampleFrom = async (of: typeof trained) =>
      (await (await of.sampler()).sample({ prompt: [1, 2], params: sampling })).sequences[0];
    expect(await sampleFrom(again)).toEqual(await sampleFrom(trained));
  });

  it('numbers requests from 1 without gaps, in call order', async () => {
    const { model: trained, server } = await model();
    const calls = [1, 2, 3].flatMap(() => [
      trained.forwardBackward([datum([1, 2])], crossEntropy),
      trained.optimStep(adam),
    ]);
    await Promise.all(calls);
    const sent = server.log.filter(({ path }) => /forward_backward|optim_step/.test(path));
    expect(sent.map(({ body }) => body.seq_id)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(sent.map(({ path }) => path)).toEqual([1, 2, 3].flatMap(() => ['/forward_backward', '/optim_step']));
  });

  it('cuts a batch of more than 1024 datums into requests and puts the results together', async () => {
    const { model: trained, server } = await model();
    const data = Array.from({ length: 1030 }, (_, i) => datum([i % 20, 1]));
    const { loss_fn_outputs: outputs } = await trained.forward(data, crossEntropy);
    expect(outputs).toHaveLength(1030);
    // Datum 1029 is [9, 1], as datum 9 is.
    expect(outputs[1029]).toEqual(outputs[9]);
    expect(server.log.filter(({ path }) => path === '/forward')).toHaveLength(2);
  });
});

describe('faults', () => {
  const flaky = (wrong: (path: string, count: number) => boolean, fault: Fault) => ({
    fault: (path: string, count: number) => (wrong(path, count) ? fault : undefined),
  });

  it.each([
    ['a dropped connection', 'drop'],
    ['a reply lost after the work was done', 'drop-reply'],
    ['429', { status: 429 }],
    ['500', { status: 500 }],
    ['503', { status: 503 }],
  ] as const)('%s on every other submission is retried, and no step counts twice', async (_, fault) => {
    const submissions = /^\/(forward_backward|optim_step)$/;
    const { model: trained } = await model(flaky((path, count) => submissions.test(path) && count % 2 === 1, fault));
    const { model: calm } = await model();
    const lossAfter = async (of: typeof trained): Promise<number[]> => {
      for (let step = 0; step < 3; step++) {
        await of.forwardBackward([datum([1, 2, 3])], crossEntropy);
        await of.optimStep(adam);
      }
      return (await of.forward([datum([1, 2, 3])], crossEntropy)).loss_fn_outputs[0]?.logprobs.data ?? [];
    };
    expect(await lossAfter(trained)).toEqual(await lossAfter(calm));
  });

  it.each([
    ['408', { pending: '408' }],
    ['try_again', { pending: 'try_again' }],
    ['try_again, 201, each result once', { pending: 'try_again', accepted: 201, resultOnce: true }],
  ] as const)('a pending result (%s) is asked for until it is there', async (_, dialect) => {
    const { model: trained, server } = await model({ ...dialect, pendingPolls: 3 });
    expect((await trained.forward([datum([1, 2])], crossEntropy)).loss_fn_outputs).toHaveLength(1);
    expect(server.log.filter(({ path }) => path === '/retrieve_future')).toHaveLength(8); // create_model 4, forward 4
  });

  it('polls again after dropped and failing polls', async () => {
    const fault = (path: string, count: number) =>
      path === '/retrieve_future' && count % 3 !== 0 ? (count % 3 === 1 ? 'drop' : { status: 502 }) : undefined;
    const { model: trained } = await model({ fault });
    expect((await trained.forward([datum([1, 2])], crossEntropy)).loss_fn_outputs).toHaveLength(1);
  });

  it('410 submits again under the same number', async () => {
    let gone = 0;
    const fault = (path: string) => (path === '/retrieve_future' && gone++ === 1 ? { status: 410 } : undefined);
    const { model: trained, server } = await model({ fault });
    await trained.forward([datum([1, 2])], crossEntropy);
    expect(server.log.filter(({ path }) => path === '/forward').map(({ body }) => body.seq_id)).toEqual([1, 1]);
  });

  it('425 before a save is done is retried', async () => {
    const { model: trained } = await model(flaky((path, count) => path === '/asample' && count === 1, { status: 425 }));
    const sampler = await trained.sampler();
    expect((await sampler.sample({ prompt: [1], params: sampling })).sequences).toHaveLength(1);
  });

  it('honours Retry-After', async () => {
    const at: number[] = [];
    const fault = (path: string, count: number) => {
      if (path !== '/create_session') return undefined;
      at.push(performance.now());
      return count === 1 ? { status: 429, headers: { 'retry-after': '0.2' } } : undefined;
    };
    const { client } = await connect({ fault });
    await client.createSession();
    expect((at[1] as number) - (at[0] as number)).toBeGreaterThan(190);
  });

  it('a name that is taken is final: one request, the server’s words, no retry', async () => {
    const { model: trained, server } = await model();
    await trained.saveWeights('same');
    await expect(trained.saveWeights('same')).rejects.toThrow(/409.*exists/);
    expect(server.log.filter(({ path }) => path === '/save_weights')).toHaveLength(2);
  });

  it('a failed request says what the server said, and later requests go on', async () => {
    const failure = { status: 200, body: { error: 'out of memory', category: 'server' } };
    const fault = (path: string, count: number) => (path === '/retrieve_future' && count === 2 ? failure : undefined);
    const { model: trained } = await model({ fault });
    await expect(trained.forward([datum([1, 2])], crossEntropy)).rejects.toThrow(/\(server\): out of memory/);
    expect((await trained.forward([datum([1, 2])], crossEntropy)).loss_fn_outputs).toHaveLength(1);
  });

  it('no server, a wrong model, no JSON: each says what to do', async () => {
    const nobody = createTinkerClient({ baseUrl: 'http://127.0.0.1:9', maxAttempts: 2, ...fast });
    await expect(nobody.health()).rejects.toThrow(/connection refused.*Is the server running/s);
    await nobody.close();
    const { client } = await connect({ fault: (path) => (path === '/healthz' ? { status: 401 } : undefined) });
    const session = await client.createSession();
    await expect(session.createModel({ baseModel: 'other' })).rejects.toThrow(/422: base_model other is not served/);
    await expect(client.health()).rejects.toThrow(/401.*Check the API key/);
    await expect(client.checkpoints('x')).rejects.toThrow(TinkerError);
    expect(() => createTinkerClient({ baseUrl: 'nonsense' })).toThrow(/is no URL/);
  });

  it('an aborted wait ends at once and asks no more', async () => {
    const pending = (path: string, count: number) => path === '/retrieve_future' && count > 1;
    const { model: trained, server } = await model(
      flaky(pending, { status: 200, body: { type: 'try_again', retry_after_ms: 5 } }),
    );
    const controller = new AbortController();
    const waiting = trained.forward([datum([1, 2])], { ...crossEntropy, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 30);
    await expect(waiting).rejects.toThrow('enough');
    const polls = server.log.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.log.length).toBe(polls);
  });

  it('NaN never leaves this machine', () => {
    expect(() => float32([1, Number.NaN], 'advantages')).toThrow(/advantages\[1\] is NaN/);
  });
});
