import { callEfficiency } from '@tapo/core';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';

it('among the right ones, fewer calls gain more', () => {
  //      right: 0 calls  2 calls  1 call   wrong: 0 calls
  // gain        0.5       0       0.25          0
  const shaped = callEfficiency([0.6, 0.6, 0.6, -1.8], {
    correct: [true, true, true, false],
    calls: [0, 2, 1, 0],
    strength: 0.5,
  });
  [1.1, 0.6, 0.85, -1.8].forEach((expected, i) => expect(shaped[i]).toBeCloseTo(expected, 12));
});

it('teaches where all are right, and without punishing any', () => {
  const options = { correct: [true, true, true], calls: [0, 1, 1], strength: 0.5 };
  expect(callEfficiency([0, 0, 0], options)).toEqual([0.5, 0, 0]);
});

it('does nothing where all right rollouts make the same calls, however few a wrong one makes', () => {
  const options = { correct: [true, true, false], calls: [3, 3, 0], strength: 0.9 };
  expect(callEfficiency([0.5, 0.5, -1], options)).toEqual([0.5, 0.5, -1]);
});

it('never makes an advantage smaller, never touches a wrong rollout, never flips a sign', () => {
  const member = fc.record({
    advantage: fc.integer({ min: -300, max: 300 }).map((value) => value / 100),
    correct: fc.boolean(),
    calls: fc.nat(8),
  });
  const strength = fc.double({ min: 0, max: 2, noNaN: true });
  fc.assert(
    fc.property(fc.array(member, { minLength: 1, maxLength: 12 }), strength, (group, value) => {
      const advantages = group.map(({ advantage }) => advantage);
      const shaped = callEfficiency(advantages, {
        correct: group.map(({ correct }) => correct),
        calls: group.map(({ calls }) => calls),
        strength: value,
      });
      const wrong = advantages.filter((_, i) => !group[i]?.correct);
      expect(shaped.filter((_, i) => !group[i]?.correct)).toEqual(wrong);
      for (const [i, after] of shaped.entries()) {
        const before = advantages[i] as number;
        expect(after).toBeGreaterThanOrEqual(before);
        expect(after * before).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});

it('refuses a strength that would punish', () => {
  expect(() => callEfficiency([1], { correct: [true], calls: [0], strength: -1 })).toThrow(/strength is -1, wanted/);
});
