import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { dapoLoss } from '@tapo/core';

test('golden', () => {
  const { cases } = JSON.parse(readFileSync(new URL('./golden/policy-loss.json', import.meta.url), 'utf8'));
  for (const c of cases) {
    const [B, T] = c.shape;
    const mask = c.responseMask;
    const n = mask.reduce((a: number, b: number) => a + b, 0);
    const rows = Array.from({ length: B }, (_, i) =>
      mask.slice(i * T, i * T + T).reduce((a: number, b: number) => a + b, 0),
    );
    const w = mask.map(
      (m: number, i: number) =>
        m *
        (c.lossAggregation === 'token-mean'
          ? 1 / n
          : c.lossAggregation === 'seq-mean-token-sum'
            ? 1 / B
            : 1 / B / rows[Math.floor(i / T)]),
    );
    const t = (x: number[]) => tf.tensor2d(x, c.shape);
    const { value, grad } = tf.valueAndGrad((l) =>
      dapoLoss(
        {
          logprobs: l,
          oldLogprobs: t(c.oldLogprobs),
          advantages: t(c.expected.grpoAdvantages),
          lossMask: t(mask),
          weights: t(w),
        },
        c,
      ),
    )(t(c.newLogprobs));
    expect(Math.abs(value.dataSync()[0]! - c.expected.loss)).toBeLessThan(1e-5);
    const g = grad.dataSync();
    c.expected.gradNewLogprobs.forEach((e: number, i: number) => expect(Math.abs(g[i]! - e)).toBeLessThan(1e-5));
  }
});
