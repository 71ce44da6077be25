import '@tensorflow/tfjs';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { verifyPolicyLoss } from '@tapo/core';

const contents = readFileSync(new URL('./golden/policy-loss.json', import.meta.url), 'utf8');
interface Golden {
  cases: { shape: number[]; lossAggregation: string; responseMask: number[]; expected: Record<string, unknown> }[];
}
const edited = (edit: (golden: Golden) => void): string => {
  const golden = JSON.parse(contents) as Golden;
  edit(golden);
  return JSON.stringify(golden);
};

test('every quantity of the golden file agrees: 1e-6 in plain numbers, 1e-4 in tfjs float32, gradients included', () => {
  const { cases, quantities, passed } = verifyPolicyLoss(contents);
  expect(cases).toBe(12);
  expect(quantities.map(({ name, precision }) => `${name} ${precision}`)).toEqual([
    'grpoAdvantages float64',
    'rlooAdvantages float64',
    'loss float64',
    'clipFraction float64',
    'approxKl float64',
    'lowerClipFraction float64',
    'gradNewLogprobs float64',
    'lowVarKl float64',
    'loss float32',
    'gradNewLogprobs float32',
  ]);
  for (const { name, precision, deviation } of quantities) {
    expect(deviation, `${name} ${precision}`).toBeLessThan(precision === 'float64' ? 1e-6 : 1e-4);
  }
  expect(passed).toBe(true);
});

test.each(['grpoAdvantages', 'rlooAdvantages', 'gradNewLogprobs', 'lowVarKl'])(
  'a wrong %s is found, with its case',
  (key) => {
    const file = edited((golden) => {
      const values = golden.cases[3]?.expected[key] as number[];
      values[3] = (values[3] as number) + 0.001;
    });
    const { passed, quantities } = verifyPolicyLoss(file);
    expect(passed).toBe(false);
    const failed = quantities.filter(({ deviation, tolerance }) => deviation > tolerance);
    expect(new Set(failed.map(({ name, caseIndex }) => `${name} ${caseIndex}`))).toEqual(new Set([`${key} 3`]));
  },
);

test.each(['loss', 'clipFraction', 'approxKl', 'lowerClipFraction'])('a wrong %s is found', (key) => {
  const file = edited((golden) => {
    const { expected } = golden.cases[5] as Golden['cases'][0];
    expected[key] = (expected[key] as number) + 0.001;
  });
  expect(verifyPolicyLoss(file).passed).toBe(false);
});

test('bare NaN, as Python writes it for an empty row, is skipped and counted; ours stays finite', () => {
  const file = edited((golden) => {
    const golden0 = golden.cases[0] as Golden['cases'][0];
    golden0.lossAggregation = 'seq-mean-token-mean';
    golden0.expected.loss = 'NaN';
  }).replace('"NaN"', 'NaN');
  const quantities = verifyPolicyLoss(file).quantities.filter(({ name }) => name === 'loss');
  expect(quantities.map(({ skipped }) => skipped)).toEqual([1, 1]);
});

test('a file of another form is refused with case and key', () => {
  expect(() => verifyPolicyLoss('{}')).toThrow('wanted {"cases": [...]}');
  expect(() => verifyPolicyLoss(edited(({ cases }) => cases[2]?.responseMask.pop()))).toThrow(
    'Golden file: case 2: responseMask: wanted 54 numbers.',
  );
  expect(() => verifyPolicyLoss(edited(({ cases }) => delete cases[1]?.expected.loss))).toThrow(
    'case 1: expected.loss',
  );
});
