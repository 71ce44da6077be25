import { expect, test } from 'vitest';
import { createRandom, hashSeed } from '@tapo/core';

test('the same seed gives the same numbers, another seed others', () => {
  const draw = (seed: number | string): number[] => Array.from({ length: 5 }, createRandom(seed).next);
  expect(draw(1)).toEqual(draw(1));
  expect(draw('a run')).toEqual(draw('a run'));
  expect(new Set([...draw(1), ...draw(2), ...draw(2 ** 40 + 1), ...draw('a run')]).size).toBe(20);
});

test('the generator is xoshiro128**: first words from the state 1, 2, 3, 4', () => {
  // rotl(2 · 5, 7) · 9 = 11520; then s = (7, 0, 1026, 12288): rotl(0, 7) · 9 = 0
  // next() = ((11520 >>> 5) · 2^26 + (0 >>> 6)) / 2^53 = 360 / 2^27
  expect(createRandom([1, 2, 3, 4]).next()).toBe(360 / 2 ** 27);
});

test('the state is JSON and goes on where it was saved', () => {
  const random = createRandom(7);
  random.next();
  const saved = JSON.stringify(random.state);
  const ahead = [random.next(), random.int(100), random.normal()];
  const resumed = createRandom(JSON.parse(saved));
  expect([resumed.next(), resumed.int(100), resumed.normal()]).toEqual(ahead);
});

test('uniform, integer and normal draws have the right moments', () => {
  const random = createRandom(3);
  const n = 20_000;
  const mean = (draw: () => number): number => Array.from({ length: n }, draw).reduce((sum, x) => sum + x, 0) / n;
  // standard errors at n = 20 000: 0.29/141 = 0.002; 2.87/141 = 0.02; 1/141 = 0.007; √2/141 = 0.01
  expect(mean(random.next)).toBeCloseTo(0.5, 1.9);
  expect(Math.abs(mean(() => random.int(10)) - 4.5)).toBeLessThan(0.1);
  expect(Math.abs(mean(random.normal))).toBeLessThan(0.035);
  expect(Math.abs(mean(() => random.normal() ** 2) - 1)).toBeLessThan(0.05);
  const counts = [0, 0, 0];
  for (let i = 0; i < 3000; i++) counts[random.int(3)]! += 1;
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150); // standard error 26
});

test('shuffle permutes a copy', () => {
  const items = Object.freeze([1, 2, 3, 4, 5, 6, 7, 8]);
  const shuffled = createRandom(1).shuffle(items);
  expect(shuffled).not.toEqual(items);
  expect(shuffled.toSorted()).toEqual(items);
});

test('a fork depends on state and label and leaves the parent alone', () => {
  const random = createRandom(1);
  const { state } = random;
  const fork = random.fork('rollout-1').next();
  expect(random.state).toEqual(state);
  expect(random.fork('rollout-1').next()).toBe(fork);
  expect(random.fork('rollout-2').next()).not.toBe(fork);
});

test('hashSeed: safe integers, no collision among 50 000 neighbours, borders of the parts count', () => {
  const seeds = new Set(Array.from({ length: 50_000 }, (_, i) => hashSeed(1, `problem-${i}`)));
  expect(seeds.size).toBe(50_000); // 53 bits: a collision has probability 50 000² / 2 / 2^53 = 1.4e-7
  expect([...seeds].every((seed) => Number.isSafeInteger(seed) && seed >= 0)).toBe(true);
  expect(hashSeed('ab', 'c')).not.toBe(hashSeed('a', 'bc'));
  expect(hashSeed(1)).not.toBe(hashSeed('1'));
});

test('what is no seed is refused', () => {
  expect(() => createRandom(0.5)).toThrow('got 0.5');
  expect(() => createRandom([0, 0, 0, 0])).toThrow('not all zero');
  expect(() => createRandom(1).int(0)).toThrow('wants an integer ≥ 1, got 0');
});
