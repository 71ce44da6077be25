import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crossEntropyLoss, dapoLoss, dapoLossScalar, dapoTokenLoss, dapoTokenScalar } from '@tapo/core';
import type { DapoLossOptions, DapoLossTensors } from '@tapo/core';

const { log, exp } = Math;

/** token losses of single tokens, ratio r = exp(logprob − oldLogprob) */
function tokenLoss(token: { r: number; advantage: number }, options?: DapoLossOptions): number {
  const { value } = tf.tidy(() => {
    const loss = dapoTokenLoss(
      {
        logprobs: tf.tensor1d([-1 + log(token.r)]),
        oldLogprobs: tf.tensor1d([-1]),
        advantages: tf.tensor1d([token.advantage]),
      },
      options,
    );
    return { value: loss.dataSync()[0] as number };
  });
  return value;
}

describe('the formula, token by token', () => {
  test.each([
    // A > 0: −A·min(r, 1.28)
    { r: 1, advantage: 2, loss: -2 },
    { r: 1.2, advantage: 2, loss: -2.4 },
    { r: 1.5, advantage: 2, loss: -2.56 }, // −2 · 1.28: clip-higher
    { r: 0.5, advantage: 2, loss: -1 }, //    −2 · 0.5: no clip on this side
    // A < 0: |A|·max(r, 0.8), at most |A|·10
    { r: 1, advantage: -2, loss: 2 },
    { r: 0.5, advantage: -2, loss: 1.6 }, //  2 · 0.8
    { r: 3, advantage: -2, loss: 6 },
    { r: 50, advantage: -2, loss: 20 }, //    2 · 10: dual clip
    { r: 50, advantage: 0, loss: 0 },
  ])('r $r, A $advantage → $loss', ({ r, advantage, loss }) => {
    expect(tokenLoss({ r, advantage })).toBeCloseTo(loss, 4);
  });

  test('options change the bounds: clip 0.1/0.4, dual clip 2, none', () => {
    expect(tokenLoss({ r: 1.5, advantage: 1 }, { clipHigh: 0.4 })).toBeCloseTo(-1.4, 5);
    expect(tokenLoss({ r: 0.5, advantage: -1 }, { clipLow: 0.1 })).toBeCloseTo(0.9, 5);
    expect(tokenLoss({ r: 50, advantage: -1 }, { dualClip: 2 })).toBeCloseTo(2, 5);
    expect(tokenLoss({ r: 50, advantage: -1 }, { dualClip: null })).toBeCloseTo(50, 3);
  });

  test('a ratio that overflows float32 gives a finite loss and no NaN gradient', () => {
    const { value, grad } = tf.valueAndGrad((logprobs: tf.Tensor) =>
      tf.sum<tf.Scalar>(
        dapoTokenLoss({ logprobs, oldLogprobs: tf.tensor1d([-200, -200]), advantages: tf.tensor1d([-1, 1]) }),
      ),
    )(tf.tensor1d([-1, -1]));
    expect(value.dataSync()[0]).toBeCloseTo(10 - 1.28, 5); // dual clip 10; clip-higher −1.28
    expect([...grad.dataSync()].map(Math.abs)).toEqual([0, 0]);
  });

  // old −1, rollout −1.5: exp(0.5) = 1.6487; r = 1, A = 1, so the plain loss is −1
  test.each([
    { cap: 2, loss: -exp(0.5) },
    { cap: 1.2, loss: -1.2 },
  ])('truncated importance sampling, cap $cap', ({ cap, loss }) => {
    const result = dapoTokenLoss(
      {
        logprobs: tf.tensor1d([-1]),
        oldLogprobs: tf.tensor1d([-1]),
        advantages: tf.tensor1d([1]),
        rolloutLogprobs: tf.tensor1d([-1.5]),
      },
      { truncatedImportanceCap: cap },
    );
    expect(result.dataSync()[0]).toBeCloseTo(loss, 5);
  });

  // δ = log π − log π_ref = −1 − (−1.5) = 0.5
  test.each([
    { klEstimator: 'k1', kl: 0.5 },
    { klEstimator: 'k2', kl: 0.125 }, //                        0.5² / 2
    { klEstimator: 'k3', kl: exp(-0.5) + 0.5 - 1 }, //          0.1065
    { klEstimator: 'abs', kl: 0.5 },
  ] as const)('KL penalty $klEstimator', ({ klEstimator, kl }) => {
    const result = dapoTokenLoss(
      {
        logprobs: tf.tensor1d([-1]),
        oldLogprobs: tf.tensor1d([-1]),
        advantages: tf.tensor1d([0]),
        referenceLogprobs: tf.tensor1d([-1.5]),
      },
      { klCoefficient: 0.1, klEstimator },
    );
    expect(result.dataSync()[0]).toBeCloseTo(0.1 * kl, 6);
  });

  test('the entropy bonus lowers the loss and pushes the entropy up', () => {
    const ones = tf.ones([3]);
    const bonus = (entropies: tf.Tensor): tf.Scalar =>
      tf.sum(
        dapoTokenLoss(
          { logprobs: ones, oldLogprobs: ones, advantages: tf.zeros([3]), entropies },
          { entropyCoefficient: 0.01 },
        ),
      );
    const { value, grad } = tf.valueAndGrad(bonus)(tf.tensor1d([1, 2, 3]));
    expect(value.dataSync()[0]).toBeCloseTo(-0.06, 6); // −0.01 · (1 + 2 + 3)
    expect([...grad.dataSync()].map((g) => g.toFixed(4))).toEqual(['-0.0100', '-0.0100', '-0.0100']);
  });

  test('cross-entropy is −Σ weight · logprob over the mask', () => {
    const loss = crossEntropyLoss({
      logprobs: tf.tensor1d([-1, -Infinity, -3]),
      lossMask: tf.tensor1d([1, 0, 1]),
      weights: tf.tensor1d([0.5, 0, 0.5]),
    });
    expect(loss.dataSync()[0]).toBeCloseTo(2, 6); // 0.5 · 1 + 0.5 · 3
  });
});

describe('errors', () => {
  const one = tf.ones([2, 3]);
  test('shapes that differ are listed', () => {
    expect(() => dapoTokenLoss({ logprobs: one, oldLogprobs: tf.ones([3, 2]), advantages: one })).toThrow(
      'one shape, got logprobs [2, 3], oldLogprobs [3, 2], advantages [2, 3]',
    );
  });
  test.each([
    [{ truncatedImportanceCap: 2 }, 'truncatedImportanceCap needs the tensor rolloutLogprobs'],
    [{ klCoefficient: 0.1 }, 'klCoefficient needs the tensor referenceLogprobs'],
    [{ entropyCoefficient: 0.1 }, 'entropyCoefficient needs the tensor entropies'],
  ])('%o without its tensor', (options, message) => {
    expect(() => dapoTokenLoss({ logprobs: one, oldLogprobs: one, advantages: one }, options)).toThrow(message);
  });
});

const ALL_OPTIONS: DapoLossOptions = {
  klCoefficient: 0.05,
  klEstimator: 'k3',
  truncatedImportanceCap: 2,
  entropyCoefficient: 0.01,
};

interface Columns {
  logprobs: number[];
  oldLogprobs: number[];
  advantages: number[];
  rolloutLogprobs: number[];
  referenceLogprobs: number[];
  entropies: number[];
  lossMask: number[];
  weights: number[];
}

/** columns of `rows × length` positions; weights are token-mean over all of them */
const columnsOf = (rows: number, length: number): fc.Arbitrary<Columns> => {
  const n = rows * length;
  const list = (min: number, max: number): fc.Arbitrary<number[]> =>
    fc.array(fc.double({ min, max, noNaN: true }), { minLength: n, maxLength: n });
  return fc
    .record({
      logprobs: list(-4, 0),
      oldLogprobs: list(-4, 0),
      advantages: list(-2, 2),
      rolloutLogprobs: list(-4, 0),
      referenceLogprobs: list(-4, 0),
      entropies: list(0, 3),
      lossMask: fc.array(fc.constantFrom<number>(0, 1), { minLength: n, maxLength: n }),
    })
    .map((columns) => {
      const sampled = columns.lossMask.reduce((sum, mask) => sum + mask, 0);
      return { ...columns, weights: columns.lossMask.map((mask) => (sampled === 0 ? 0 : mask / sampled)) };
    });
};

/** value and gradients (by logprobs and by entropies) of the tfjs loss over rows [from, to) */
function run(columns: Columns, length: number, [from, to] = [0, columns.logprobs.length / length]) {
  return tf.tidy(() => {
    const tensors = Object.fromEntries(
      Object.entries(columns).map(([name, values]: [string, number[]]) => [
        name,
        tf.tensor2d(values.slice(from * length, to * length), [to - from, length]),
      ]),
    ) as unknown as DapoLossTensors & { entropies: tf.Tensor };
    const lossOf = (logprobs: tf.Tensor, entropies: tf.Tensor): tf.Scalar =>
      dapoLoss({ ...tensors, logprobs, entropies }, ALL_OPTIONS);
    const { value, grads } = tf.valueAndGrads(lossOf)([tensors.logprobs, tensors.entropies]);
    return { loss: value.dataSync()[0] as number, gradients: grads.map((grad) => [...grad.dataSync()]) };
  });
}

describe('properties', () => {
  test('float32 tfjs and float64 plain numbers agree on value and gradient', () => {
    fc.assert(
      fc.property(columnsOf(2, 4), (columns) => {
        const tensors = run(columns, 4);
        const scalar = dapoLossScalar(columns, columns.logprobs, { ...ALL_OPTIONS, entropies: columns.entropies });
        expect(tensors.loss).toBeCloseTo(scalar.loss, 4);
        tensors.gradients[0]?.forEach((got, i) => expect(got).toBeCloseTo(scalar.gradient[i] as number, 4));
      }),
      { numRuns: 100 },
    );
  });

  test('the scalar gradient is the slope of the scalar loss (central differences)', () => {
    const number = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });
    const token = fc.record({
      logprob: number(-4, 0),
      oldLogprob: number(-4, 0),
      advantage: number(-2, 2),
      rolloutLogprob: number(-4, 0),
      referenceLogprob: number(-4, 0),
    });
    const estimators = fc.constantFrom('k1', 'k2', 'k3', 'abs');
    fc.assert(
      fc.property(token, estimators, (at, klEstimator) => {
        const options = { klCoefficient: 0.1, klEstimator, truncatedImportanceCap: 2 } as const;
        const h = 1e-5;
        // not differentiable at the clip bounds, the dual clip, k3's cut and abs' kink
        const r = exp(at.logprob - at.oldLogprob);
        const delta = at.logprob - at.referenceLogprob;
        fc.pre([0.8, 1.28, 10].every((bound) => Math.abs(r - bound) > 1e-3));
        fc.pre(Math.abs(delta) > 1e-3 && Math.abs(exp(-delta) + delta - 1 - 10) > 1e-2);
        const lossAt = (logprob: number): number => dapoTokenScalar({ ...at, logprob }, options).loss;
        const slope = (lossAt(at.logprob + h) - lossAt(at.logprob - h)) / (2 * h);
        expect(dapoTokenScalar(at, options).gradient).toBeCloseTo(slope, 5);
      }),
      { numRuns: 500 },
    );
  });

  test('masked positions cannot influence value or gradient, whatever they hold', () => {
    const poison = fc.constantFrom(NaN, Infinity, -Infinity, 1e30, -1e30, 7);
    fc.assert(
      fc.property(columnsOf(2, 4), fc.array(poison, { minLength: 8, maxLength: 8 }), (columns, poisons) => {
        const poisoned: Columns = { ...columns };
        for (const name of [
          'logprobs',
          'oldLogprobs',
          'advantages',
          'rolloutLogprobs',
          'referenceLogprobs',
          'entropies',
          'weights',
        ] as const) {
          poisoned[name] = columns[name].map((value, i) =>
            columns.lossMask[i] === 1 ? value : (poisons[i] as number),
          );
        }
        expect(run(poisoned, 4)).toEqual(run(columns, 4));
        for (const gradient of run(poisoned, 4).gradients) {
          expect(gradient.filter((value, i) => columns.lossMask[i] === 0 && value !== 0)).toEqual([]);
        }
        const options = { ...ALL_OPTIONS, entropies: columns.entropies };
        expect(dapoLossScalar(poisoned, poisoned.logprobs, { ...options, entropies: poisoned.entropies })).toEqual(
          dapoLossScalar(columns, columns.logprobs, options),
        );
      }),
      { numRuns: 100 },
    );
  });

  test('any split into micro-batches adds up to the same loss, and to the same gradients to 1e-5', () => {
    fc.assert(
      fc.property(columnsOf(6, 3), fc.uniqueArray(fc.integer({ min: 1, max: 5 })), (columns, cuts) => {
        const borders = [0, ...cuts.toSorted((a, b) => a - b), 6];
        const whole = run(columns, 3);
        const parts = borders.slice(1).map((to, i) => run(columns, 3, [borders[i] as number, to]));
        expect(parts.reduce((sum, part) => sum + part.loss, 0)).toBeCloseTo(whole.loss, 5);
        whole.gradients.forEach((gradient, k) => {
          const joined = parts.flatMap((part) => part.gradients[k] as number[]);
          gradient.forEach((value, i) => expect(Math.abs((joined[i] as number) - value)).toBeLessThan(1e-5));
        });
      }),
      { numRuns: 50 },
    );
  });
});

// A first update: r = exp(x − x) = 1 at every token, so the loss is −A (times min(exp(x − rollout), cap)), and so is the
// gradient; what masked positions hold stays without influence.
test('without oldLogprobs the policy is its own past: ratios of 1, and the gradient flows', () => {
  const columns = {
    lossMask: tf.tensor1d([1, 1, 1, 0]),
    weights: tf.tensor1d([0.25, 0.25, 0.5, 9]),
    advantages: tf.tensor1d([1, -2, 3, NaN]),
    rolloutLogprobs: tf.tensor1d([-1, -2, -30, Infinity]),
  };
  const options = { truncatedImportanceCap: 2, dualClip: 3 };
  const before = tf.memory().numTensors;
  tf.tidy(() => {
    const start = tf.tensor1d([-1, -2.5, -30.5, -Infinity]);
    const { value, grad } = tf.valueAndGrad((logprobs: tf.Tensor) => dapoLoss({ ...columns, logprobs }, options))(
      start,
    );
    // [−1, 2·exp(−0.5), −3·exp(−0.5), –] by weight
    const tokens = [-0.25, 0.5 * exp(-0.5), -1.5 * exp(-0.5), 0];
    tokens.forEach((token, i) => expect(grad.dataSync()[i]).toBeCloseTo(token, 6));
    expect(value.dataSync()[0]).toBeCloseTo(
      tokens.reduce((sum, token) => sum + token),
      6,
    );
    const given = dapoLoss({ ...columns, logprobs: start, oldLogprobs: tf.clone(start) }, options);
    expect(value.dataSync()).toEqual(given.dataSync());
  });
  expect(tf.memory().numTensors).toBe(before);
});

test('no tensor is left behind but the result', () => {
  const inputs = tf.tidy(() => ({
    logprobs: tf.mul(tf.ones([2, 3]), -1),
    oldLogprobs: tf.mul(tf.ones([2, 3]), -1.1),
    advantages: tf.ones([2, 3]),
    rolloutLogprobs: tf.mul(tf.ones([2, 3]), -1.2),
    referenceLogprobs: tf.mul(tf.ones([2, 3]), -1.3),
    entropies: tf.ones([2, 3]),
    lossMask: tf.ones([2, 3]),
    weights: tf.ones([2, 3]),
  }));
  const before = tf.memory().numTensors;
  const { lossMask: _lossMask, weights: _weights, ...tokens } = inputs;
  dapoLoss(inputs, ALL_OPTIONS).dispose();
  dapoTokenLoss(tokens, ALL_OPTIONS).dispose();
  crossEntropyLoss(inputs).dispose();
  expect(() =>
    dapoTokenLoss({ ...tokens, oldLogprobs: inputs.lossMask, rolloutLogprobs: undefined as never }, ALL_OPTIONS),
  ).toThrow('needs the tensor rolloutLogprobs');
  expect(tf.memory().numTensors).toBe(before);
});
