import { collate, dapoLoss, groupAdvantages, type Batch, type DapoLossOptions, type LossAggregation } from '@tapo/core';
import { tokenLogprobs } from '@tapo/policy';
import { createTinkerEngine, type DialectName } from '@tapo/tinker';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it } from 'vitest';
import { startTinkerServer, type TinkerServerOptions } from './server/tinker-server.js';
import { toyConfig, toyParameters } from './server/toy-model.js';
import { toyTokenizer } from './server/toy-tokenizer.js';

/** Two groups of two trajectories: prompt, sampled, observed (mask 0), sampled; one row has nothing to learn. */
function trajectories(): { tokens: number[]; lossMask: number[] }[] {
  return [
    { tokens: [3, 4, 5, 6, 7, 8, 9, 10], lossMask: [0, 0, 1, 1, 0, 0, 1, 1] },
    { tokens: [3, 4, 6, 6, 1], lossMask: [0, 0, 1, 1, 1] },
    { tokens: [11, 12, 13, 2, 5, 9], lossMask: [0, 0, 0, 1, 0, 1] },
    { tokens: [11, 12, 13, 14], lossMask: [0, 0, 0, 0] },
  ];
}

function batchOf(aggregation: LossAggregation, oldShift: number): Batch {
  const advantages = [...groupAdvantages([1, 0], {}), ...groupAdvantages([0, 1], {})];
  const rows = trajectories().map((row, i) => ({
    ...row,
    advantage: advantages[i] as number,
    // Old log-probabilities far from the current ones, so that clip-higher, clip-low and the dual clip all bite.
    oldLogprobs: row.tokens.map((token, t) => -3 + oldShift * Math.sin(token + 2 * t)),
    rolloutLogprobs: row.tokens.map(() => -3),
  }));
  return collate(rows, { aggregation, normalizer: 7 });
}

/** The same loss in one tfjs graph over the same weights: what the local engine differentiates. */
function localGradients(
  batch: Batch,
  options: DapoLossOptions,
): { loss: number; gradients: Record<string, Float32Array> } {
  return tf.tidy(() => {
    const parameters = toyParameters(1);
    const names = Object.keys(parameters);
    const shape: [number, number] = [batch.rows, batch.length];
    const column = (values: Float32Array | undefined): tf.Tensor => tf.tensor2d(values ?? [], shape);
    const { value, grads } = tf.valueAndGrads((...values: tf.Tensor[]) => {
      const named = Object.fromEntries(names.map((name, i) => [name, values[i] as tf.Tensor]));
      const inputs = { tokens: tf.tensor2d(batch.inputs, shape, 'int32') };
      const { logprobs } = tokenLogprobs(named, inputs, tf.tensor2d(batch.targets, shape, 'int32'), toyConfig);
      return dapoLoss(
        {
          logprobs,
          ...(batch.oldLogprobs && { oldLogprobs: column(batch.oldLogprobs) }),
          advantages: column(batch.advantages),
          rolloutLogprobs: column(batch.rolloutLogprobs),
          lossMask: column(batch.lossMask),
          weights: column(batch.weights),
        },
        options,
      );
    })(names.map((name) => tf.tensor(parameters[name]?.data ?? [], parameters[name]?.shape)));
    return {
      loss: value.dataSync()[0] as number,
      gradients: Object.fromEntries(names.map((name, i) => [name, (grads[i] as tf.Tensor).dataSync() as Float32Array])),
    };
  });
}

/** cosine of the angle between two gradients, and the ratio of their norms */
function compare(a: Record<string, Float32Array>, b: Record<string, Float32Array>): { cosine: number; norm: number } {
  let [dot, aa, bb] = [0, 0, 0];
  for (const [name, values] of Object.entries(a)) {
    values.forEach((x, i) => {
      const y = b[name]?.[i] ?? 0;
      dot += x * y;
      aa += x * x;
      bb += y * y;
    });
  }
  return { cosine: dot / Math.sqrt(aa * bb), norm: Math.sqrt(aa / bb) };
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function engine(dialect: DialectName, serverOptions: TinkerServerOptions, lossRoute: 'exact' | 'ppo' = 'exact') {
  const server = await startTinkerServer(serverOptions);
  const remote = await createTinkerEngine({
    baseUrl: server.url,
    dialect,
    baseModel: 'toy',
    tokenizer: toyTokenizer,
    lossRoute,
  });
  closers.push(server.close, remote.close);
  return { server, remote };
}

async function remoteGradients(batch: Batch, options: DapoLossOptions, ...where: Parameters<typeof engine>) {
  const { server, remote } = await engine(...where);
  const { loss } = await remote.learner.forwardBackward(batch, { name: 'dapo', ...options });
  await remote.learner.optimizerStep({ learningRate: 1e-3, gradientClip: null });
  return { loss, gradients: server.lastGradients };
}

const aggregations: LossAggregation[] = [
  'token-mean',
  'seq-mean-token-sum',
  'seq-mean-token-mean',
  'seq-mean-token-sum-norm',
];

describe.each([
  ['tinker', { reduction: 'sum' }],
  ['skyrl-jax', { reduction: 'datum-mean' }],
] as const)('gradient through the protocol, %s', (dialect, serverOptions) => {
  it.each(aggregations)('%s agrees with the local graph to 1e-4 in angle and norm', async (aggregation) => {
    const batch = batchOf(aggregation, 1.5);
    const local = localGradients(batch, {});
    const remote = await remoteGradients(batch, {}, dialect, serverOptions);
    const { cosine, norm } = compare(remote.gradients, local.gradients);
    expect(cosine).toBeGreaterThan(1 - 1e-4);
    expect(Math.abs(norm - 1)).toBeLessThan(1e-4);
    expect(remote.loss).toBeCloseTo(local.loss, 4);
  });

  it('dual clip bites and agrees', async () => {
    const batch = batchOf('token-mean', 4);
    const dual = localGradients(batch, { dualClip: 3 });
    const without = localGradients(batch, { dualClip: null });
    expect(compare(dual.gradients, without.gradients).norm).not.toBeCloseTo(1, 3); // it does bite here
    const remote = await remoteGradients(batch, { dualClip: 3 }, dialect, serverOptions);
    const { cosine, norm } = compare(remote.gradients, dual.gradients);
    expect(cosine).toBeGreaterThan(1 - 1e-4);
    expect(Math.abs(norm - 1)).toBeLessThan(1e-4);
  });

  it('the server’s own ppo gives the same, in one pass, when the dual clip is off', async () => {
    const batch = batchOf('token-mean', 1.5);
    const options = { dualClip: null };
    const remote = await remoteGradients(batch, options, dialect, serverOptions, 'ppo');
    const { cosine, norm } = compare(remote.gradients, localGradients(batch, options).gradients);
    expect(cosine).toBeGreaterThan(1 - 1e-4);
    expect(Math.abs(norm - 1)).toBeLessThan(1e-4);
  });
});

it.each(['exact', 'ppo'] as const)(
  'a first update, by %s: the log-probabilities before it are asked for once, and are those of the pass',
  async (route) => {
    const { oldLogprobs: _, ...batch } = batchOf('token-mean', 1);
    const options = { dualClip: null };
    const { server, remote } = await engine('tinker', {}, route);
    await remote.learner.forwardBackward(batch, { name: 'dapo', ...options });
    await remote.learner.optimizerStep({ learningRate: 1e-3, gradientClip: null });
    const { cosine, norm } = compare(server.lastGradients, localGradients(batch, options).gradients);
    expect(cosine).toBeGreaterThan(1 - 1e-4);
    expect(Math.abs(norm - 1)).toBeLessThan(1e-4);
    const passes = server.log.map(({ path }) => path).filter((path) => path.includes('forward'));
    expect(passes).toEqual(['/forward', '/forward_backward']);
  },
);

it('cross-entropy: −Σ weights · logprob', async () => {
  const batch = batchOf('token-mean', 1);
  const { remote } = await engine('tinker', {});
  const { logprobs } = await remote.learner.logprobs(batch);
  const { loss } = await remote.learner.forwardBackward(batch, { name: 'cross-entropy' });
  const expected = -logprobs.reduce((sum, logprob, i) => sum + logprob * (batch.weights[i] as number), 0);
  expect(loss).toBeCloseTo(expected, 6);
});

it('a batch without sampled tokens costs no request and changes nothing', async () => {
  const { server, remote } = await engine('tinker', {});
  const before = server.log.length;
  const batch = collate([{ tokens: [1, 2, 3], lossMask: [0, 0, 0], advantage: 1, oldLogprobs: [0, 0, 0] }]);
  expect((await remote.learner.forwardBackward(batch, { name: 'dapo' })).loss).toBe(0);
  expect(server.log.length).toBe(before);
});

it('refuses what the protocol cannot carry, with the remedy', async () => {
  const batch = batchOf('token-mean', 1);
  const { remote } = await engine('tinker', {}, 'ppo');
  const dapo = { name: 'dapo' as const };
  await expect(remote.learner.forwardBackward(batch, dapo)).rejects.toThrow(/no dual clip.*route "exact"/);
  const bonus = { ...dapo, entropyCoefficient: 0.01 };
  await expect(remote.learner.forwardBackward(batch, bonus)).rejects.toThrow(/entropyCoefficient.*set it to 0/);
});
