import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addDraw, isInformative, missingGroups, startDynamicSampling, takeStep } from '@tapo/core';
import type { DynamicSamplingState } from '@tapo/core';

interface Group {
  id: number;
  accuracies: number[];
}
const mixed = (id: number): Group => ({ id, accuracies: [1, 0] });
const flat = (id: number): Group => ({ id, accuracies: [1, 1] });
const ids = (groups: readonly Group[]): number[] => groups.map(({ id }) => id);

test('a group is informative if acc has spread; a group of one always is', () => {
  expect([mixed(1), flat(1), { accuracies: [0, 0, 0] }, { accuracies: [0] }].map(isInformative)).toEqual([
    true,
    false,
    false,
    true,
  ]);
});

test('refills until full, drops the rest, carries the surplus over', () => {
  const options = { groupsPerStep: 3 };
  let state = startDynamicSampling<Group>();
  expect(missingGroups(state, options)).toBe(3);
  state = addDraw(state, [flat(1), mixed(2), flat(3)]);
  expect(missingGroups(state, options)).toBe(2);
  state = addDraw(state, [mixed(4), mixed(5), mixed(6)]);
  expect(missingGroups(state, options)).toBe(0);

  const { groups, next, ...counts } = takeStep(state, options);
  expect(ids(groups)).toEqual([2, 4, 5]);
  expect(counts).toEqual({ draws: 2, unfiltered: 0, dropped: 2, missing: 0 });
  expect(missingGroups(next, options)).toBe(2); // 6 is carried over
  expect(next).toEqual({ kept: [mixed(6)], rejected: [], draws: 0 });
});

test('after maxDraws the step is filled up with unfiltered groups, and says so', () => {
  const options = { groupsPerStep: 3, maxDraws: 2 };
  let state = addDraw(startDynamicSampling<Group>(), [flat(1), mixed(2)]);
  state = addDraw(state, [flat(3), flat(4)]);
  const { groups, next, ...counts } = takeStep(state, options);
  expect(ids(groups)).toEqual([2, 1, 3]);
  expect(counts).toEqual({ draws: 2, unfiltered: 2, dropped: 1, missing: 0 });
  expect(next.kept).toEqual([]);
});

test('fill: false leaves the step smaller: what has no spread teaches nothing, but costs a forward and a backward pass', () => {
  const options = { groupsPerStep: 3, maxDraws: 1, fill: false };
  const { groups, ...counts } = takeStep(addDraw(startDynamicSampling<Group>(), [flat(1), mixed(2)]), options);
  expect(ids(groups)).toEqual([2]);
  expect(counts).toMatchObject({ unfiltered: 0, dropped: 1, missing: 2 });
  expect(takeStep(addDraw(startDynamicSampling<Group>(), [flat(1)]), options).groups).toEqual([]);
});

test('problems that run out give a smaller step and the number missing', () => {
  const state = addDraw(startDynamicSampling<Group>(), [mixed(1)]);
  expect(takeStep(state, { groupsPerStep: 3, maxDraws: 1 })).toMatchObject({ groups: [mixed(1)], missing: 2 });
});

test('filter: false takes groups as they come', () => {
  const state = addDraw(startDynamicSampling<Group>(), [flat(1), mixed(2)], { filter: false });
  expect(ids(takeStep(state, { groupsPerStep: 2 }).groups)).toEqual([1, 2]);
});

test('taking too early is our own fault and throws', () => {
  expect(() => takeStep(startDynamicSampling(), { groupsPerStep: 2 })).toThrow(
    '2 groups are missing and draws are left',
  );
});

describe('properties over random draws', () => {
  const accuracies = fc.array(fc.constantFrom(0, 1), { minLength: 2, maxLength: 4 });
  const draws = fc.array(fc.array(accuracies, { minLength: 1, maxLength: 5 }), { minLength: 40, maxLength: 60 });

  test('a step has its size, no group is used twice, uninformative ones only after maxDraws, and JSON loses nothing', () => {
    fc.assert(
      fc.property(
        draws,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 4 }),
        (drawn, groupsPerStep, maxDraws) => {
          const options = { groupsPerStep, maxDraws };
          let id = 0;
          const groupDraws = drawn.map((draw) => draw.map((list): Group => ({ id: id++, accuracies: list })));
          let state: DynamicSamplingState<Group> = startDynamicSampling();
          const used: number[] = [];
          for (const draw of groupDraws) {
            state = JSON.parse(JSON.stringify(addDraw(state, draw)));
            if (missingGroups(state, options) > 0) continue;
            const step = takeStep(state, options);
            expect(step.groups.length + step.missing).toBe(groupsPerStep);
            expect(step.groups.filter((group) => !isInformative(group)).length).toBe(step.unfiltered);
            expect(step.unfiltered === 0 || step.draws === maxDraws).toBe(true);
            expect(step.next.kept.every(isInformative)).toBe(true);
            used.push(...ids(step.groups));
            state = step.next;
          }
          expect(new Set(used).size).toBe(used.length);
          const informative = groupDraws.flat().filter(isInformative);
          expect(used.filter((i) => informative.some((group) => group.id === i)).length + state.kept.length).toBe(
            informative.length,
          );
        },
      ),
    );
  });
});
