import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { problemSource } from '@tapo/data';
import type { Problem } from '@tapo/data';
import { worldArticleLine, worldArticles, worldCountries, worldProblems, worldSources } from '@tapo/data/world';
import type { WorldSplit } from '@tapo/data/world';

const splits: WorldSplit[] = ['sft', 'rl', 'eval'];
const countriesOf = (problems: Problem[]) =>
  new Set(problems.flatMap(({ metadata }) => (metadata?.['countries'] as string[]) ?? []));

describe('splits', () => {
  it('share no question, whatever the seeds', () => {
    fc.assert(
      fc.property(fc.tuple(fc.nat(), fc.nat(), fc.nat()), (seeds) => {
        const asked = splits.map((split, index) => worldProblems(split, { seed: seeds[index] ?? 0, perSource: 150 }));
        const questions = asked.flatMap((problems) => problems.map(({ question }) => question));
        expect(new Set(questions).size).toBe(questions.length);
      }),
      { numRuns: 5 },
    );
  });

  it('share no country and no sum, turned round or not', () => {
    const asked = splits.map((split) => worldProblems(split, { perSource: 400 }));
    const countries = asked.map(countriesOf);
    // 179 countries are asked about: 45 for sft (25%), 81 for rl (45%), 53 for eval
    expect(countries.map((set) => set.size)).toEqual([45, 81, 53]);
    expect(new Set(countries.flatMap((set) => [...set])).size).toBe(179);
    const sums = asked.map(
      (problems) =>
        new Set(
          problems
            .filter(({ dataSource }) => dataSource === 'calculator')
            .map(({ question }) => (question.match(/\d+|[+*]/g) ?? []).toSorted().join(' ')),
        ),
    );
    expect(new Set(sums.flatMap((set) => [...set])).size).toBe(sums.reduce((total, set) => total + set.size, 0));
  });
});

describe('stories', () => {
  it('share no question between splits, and every pair of digits', () => {
    const stories = splits.map((split) => worldProblems(split, { sources: ['easy'], perSource: 1500 }));
    const questions = stories.flat().map(({ question }) => question);
    expect(new Set(questions).size).toBe(3 * 1500);
    for (const problems of stories) {
      // 100 ordered pairs; the chance that 1500 draws miss one is 100 * 0.99^1500, 3 in 100,000
      expect(new Set(problems.map(({ question }) => question.replace(/^\w+/, ''))).size).toBe(100);
      expect(
        problems.every(({ question, targets }) => {
          const [a, b] = /^[A-Z][a-z]{3} has (\d), gets (\d)\?$/.exec(question)?.slice(1).map(Number) ?? [];
          return targets[0] === String((a ?? NaN) + (b ?? NaN));
        }),
      ).toBe(true);
    }
  });
});

describe('worldProblems', () => {
  const problems = splits.flatMap((split) => worldProblems(split, { seed: 7, perSource: 100 }));

  it('is a function of the seed, and asks nothing twice', () => {
    expect(worldProblems('rl', { seed: 3 })).toEqual(worldProblems('rl', { seed: 3 }));
    expect(worldProblems('rl', { seed: 3 })).not.toEqual(worldProblems('rl', { seed: 4 }));
    const ids = worldProblems('eval', { perSource: 500 }).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('takes sources in turn and labels them', () => {
    const first = worldProblems('eval', { perSource: 1 });
    expect(first.map(problemSource)).toEqual(['nq', 'calculator', 'complex', 'easy']);
    expect(first.map(({ dataSource }) => dataSource)).toEqual(['nq', 'calculator', 'complex', 'default']);
    expect(worldSources).toEqual(['nq', 'calculator', 'complex', 'easy']);
  });

  it('is printable ASCII throughout', () => {
    for (const { question, targets } of problems) expect([question, ...targets].join('')).toMatch(/^[\x20-\x7e]+$/);
  });

  it('asks no capital that the name gives away, and no short number', () => {
    const facts = worldProblems('rl', { sources: ['nq'], perSource: 1000 });
    const given = facts.filter(({ question, targets }) => {
      const name = /of (.+)\?$/.exec(question)?.[1]?.toLowerCase() ?? '';
      return targets.some((target) => name.includes(target.toLowerCase()) || /^\d{1,2}$/.test(target));
    });
    expect(facts.length).toBeGreaterThan(150);
    expect(given).toEqual([]);
  });

  it('has the targets that its articles and arithmetic give', () => {
    const areas = new Map(worldCountries().map(({ name, area }) => [name, area ?? NaN]));
    const numberOf = (operand: string) => areas.get(operand) ?? Number(operand);
    const operations: Record<string, (a: number, b: number) => number> = {
      '+': (a, b) => a + b,
      'has, gets': (a, b) => a + b,
      '-': (a, b) => a - b,
      '*': (a, b) => a * b,
      '/': (a, b) => a / b,
    };
    for (const { question, targets } of problems.filter(({ dataSource }) => dataSource !== 'nq')) {
      const words = question
        .replaceAll(/area of |Area of |\?$/g, '')
        .replace(/^\w+ has (\d), gets (\d)$/, '$1 has, gets $2');
      const [, first = '', operator = '', second = ''] = /^(.+) (\+|-|\*|\/|has, gets) (.+)$/.exec(words) ?? [];
      const value = operations[operator]?.(numberOf(first), numberOf(second)) ?? NaN;
      // exact, but for quotients: two decimals of at least 0.2, half of the scorer's 5% at most
      const tolerance = operator === '/' ? 0.025 * value : 0;
      expect(Math.abs(Number(targets[0]) - value)).toBeLessThanOrEqual(tolerance);
    }
  });
});

describe('articles', () => {
  it('there is one per country, with the answer to every question about it', () => {
    const articles = new Map(worldArticles().map((article) => [article.id, article]));
    expect(articles.size).toBe(250);
    for (const problem of worldProblems('eval', { sources: ['nq'], perSource: 200 })) {
      const [code = ''] = [...countriesOf([problem])];
      expect(problem.targets.some((target) => articles.get(code)?.text.includes(target))).toBe(true);
    }
  });

  it('are one short line of ASCII, as the search tool prints it', () => {
    const norway = worldCountries().find(({ code }) => code === 'NOR');
    expect(norway && worldArticleLine(norway)).toBe('Doc 1: Norway (Oslo, Europe) 324');
    for (const { title, text } of worldArticles()) expect(`${title} ${text}`).toMatch(/^[\x20-\x7e]{1,80}$/);
    // no capital, and no known area
    expect(worldArticles().find(({ id }) => id === 'ATA')?.text).toBe('(Antarctic) 14000');
    expect(worldArticles().find(({ id }) => id === 'SJM')?.text).toBe('(Longyearbyen, Europe)');
  });
});
