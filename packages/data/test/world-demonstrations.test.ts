import { describe, expect, it } from 'vitest';
import {
  demonstrationPhase,
  trajectoryBudget,
  worldArticleLine,
  worldCountries,
  worldDemonstrations,
  worldProblems,
} from '@tapo/data/world';
import type { Demonstration, WorldDemonstrationsOptions } from '@tapo/data/world';

function take(count: number, options: WorldDemonstrationsOptions): Demonstration[] {
  const generator = worldDemonstrations(options);
  return Array.from({ length: count }, () => generator.next().value);
}
const textOf = ({ segments }: Demonstration) => segments.map(({ text }) => text).join('');
const share = (demonstrations: Demonstration[], is: (demonstration: Demonstration) => boolean) =>
  demonstrations.filter(is).length / demonstrations.length;

const phases = ['copy', 'clean', 'mixed'] as const;
const clean = take(1500, { phase: 'clean', seed: 1 });
const mixed = take(3000, { phase: 'mixed', seed: 1 });

describe('a demonstration', () => {
  it('masks the prompt and what the runtime writes, and nothing else', () => {
    // drawn with masked text in {}, sampled text in []:
    // {prompt}[thought, call]{\n\n<response>…</response>\n\n}…[thought, answer]
    const policy = (last: string) => `\\[(<think>[^<>]+</think>)?<(${last})>[^<>]+</\\w+>\\]`;
    const observation = '\\{\\n\\n<response>[^<>\\n]+</response>\\n\\n\\}';
    const trace = new RegExp(`^\\{[^<>]+\\}(${policy('search|code')}${observation})*${policy('answer')}$`);
    for (const { segments } of [...clean, ...mixed].filter(({ source }) => source !== 'copy')) {
      expect(segments.map(({ text, sampled }) => (sampled ? `[${text}]` : `{${text}}`)).join('')).toMatch(trace);
    }
  });

  it('fits the trajectory budget and the alphabet of the tiny policy', () => {
    for (const phase of phases) {
      for (const demonstration of take(1500, { phase, seed: 2 })) {
        const text = textOf(demonstration);
        expect(text).toMatch(/^[\x20-\x7e\n]+$/);
        expect(text.replaceAll(/<\/?(think|search|code|response|answer)>/g, 't').length).toBeLessThanOrEqual(
          trajectoryBudget,
        );
      }
    }
  });

  it('observes what the tools would say', () => {
    const all = clean.map(textOf).join('\n');
    const lines = new Map(worldCountries().map((country) => [country.name, worldArticleLine(country)]));
    const searches = [...all.matchAll(/<search>([^<]+)<\/search>\n\n<response>([^<]+)/g)].map(
      ([, query = '', observed]) => ({ query, observed }),
    );
    for (const { query, observed } of searches) {
      expect(observed).toMatch(/^Doc 1: .+ \(.+, (Africa|Americas|Asia|Europe|Oceania)\) \d+$/);
      expect(observed?.startsWith(`Doc 1: ${query} (`)).toBe(true);
    }
    const real = searches.filter(({ query }) => lines.has(query));
    expect(real.length).toBeGreaterThan(100);
    for (const { query, observed } of real) expect(observed).toBe(lines.get(query));

    for (const [, a, operator, b, printed] of all.matchAll(
      /print\((\d+)([+*-])(\d+)\)<\/code>\n\n<response>([^<]+)/g,
    )) {
      const [x, y] = [Number(a), Number(b)];
      expect(printed).toBe(String({ '+': x + y, '-': x - y, '*': x * y }[operator as '+' | '-' | '*']));
    }
    for (const [, a, b, printed] of all.matchAll(/print\(round\((\d+)\/(\d+),2\)\)<\/code>\n\n<response>([^<]+)/g)) {
      expect(Math.abs(Number(printed) - Number(a) / Number(b))).toBeLessThanOrEqual(0.005 + 1e-9);
      expect(printed).toMatch(/^\d+\.\d\d?$/);
    }
  });
});

describe('clean', () => {
  it('answers right, every time', () => {
    for (const demonstration of clean) {
      if (demonstration.source === 'copy') continue;
      const answer = /<answer>([^<]+)<\/answer>$/.exec(textOf(demonstration))?.[1];
      expect(demonstration.problem?.targets).toContain(answer);
      expect(demonstration.behaviour).toBe('right');
    }
  });

  it('has the mix of the curriculum, three quarters of the countries made up', () => {
    // of 90% that are no copying: nq 22%, calculator 12%, complex 33%, easy 33%
    expect(share(clean, ({ source }) => source === 'copy')).toBeCloseTo(0.1, 1);
    expect(share(clean, ({ source }) => source === 'complex')).toBeCloseTo(0.9 * 0.33, 1);
    const names = new Set(worldCountries().map(({ name }) => name));
    const facts = clean.filter(({ source }) => source === 'nq');
    const madeUp = share(facts, ({ problem }) => !names.has(/of (.+)\?$/.exec(problem?.question ?? '')?.[1] ?? ''));
    expect(madeUp).toBeGreaterThan(0.68);
    expect(madeUp).toBeLessThan(0.82);
  });
});

describe('mixed', () => {
  it('shows every wrong behaviour, each of which misses or calls needlessly', () => {
    const wrong = mixed.filter(({ behaviour }) => behaviour !== 'right' && behaviour !== 'copy');
    expect(share(mixed, (demonstration) => wrong.includes(demonstration))).toBeCloseTo(0.88 * 0.7, 1);
    expect(new Set(wrong.map(({ behaviour }) => behaviour))).toEqual(
      new Set([
        'guess',
        'wrong-field',
        'wrong-operator',
        'wrong-order',
        'one-search',
        'mental-arithmetic',
        'needless-code',
      ]),
    );
    for (const demonstration of wrong) {
      const { behaviour, problem } = demonstration;
      const answer = /<answer>([^<]+)<\/answer>$/.exec(textOf(demonstration))?.[1] ?? '';
      // a guess may be right by chance, for example one region in five
      if (behaviour === 'guess' || behaviour === 'mental-arithmetic') continue;
      expect(problem?.targets.includes(answer)).toBe(behaviour === 'needless-code');
    }
  });

  it('takes other shares and behaviours', () => {
    const options = { phase: 'mixed', wrongShare: 1, behaviours: { easy: { 'needless-code': 1 } } } as const;
    const easy = take(400, options).filter(({ source }) => source === 'easy');
    expect(easy.every(({ behaviour }) => behaviour === 'needless-code')).toBe(true);
    expect(
      take(200, { phase: 'mixed', wrongShare: 0 }).every(
        ({ behaviour }) => behaviour === 'right' || behaviour === 'copy',
      ),
    ).toBe(true);
  });
});

describe('worldDemonstrations', () => {
  it('shows nothing that is asked in training or evaluation', () => {
    const held = new Set(
      (['rl', 'eval'] as const).flatMap((split) =>
        worldProblems(split, { sources: ['nq', 'easy'], perSource: 1000 }).map(({ question }) => question),
      ),
    );
    const heldCountries = [...held].flatMap((question) => /^Region of (.+)\?$/.exec(question)?.[1] ?? []);
    // 81 countries of rl and 53 of eval
    expect(heldCountries).toHaveLength(134);
    const heldSums = new Set(
      (['rl', 'eval'] as const).flatMap((split) =>
        worldProblems(split, { sources: ['calculator'], perSource: 1000 }).map(({ question }) => question),
      ),
    );
    const shown = [...clean, ...mixed].flatMap(({ problem }) => problem?.question ?? []);
    expect(shown.filter((question) => held.has(question) || heldSums.has(question))).toEqual([]);
    const named = new Set(
      shown.flatMap((question) => question.replace(/\?$/, '').split(/(?:area|region|capital) of | [+\-/] /i)),
    );
    expect(heldCountries.filter((country) => named.has(country))).toEqual([]);
  });

  it('is a function of seed and phase', () => {
    const texts = (options: WorldDemonstrationsOptions) => take(50, options).map(textOf);
    expect(texts({ seed: 1 })).toEqual(texts({ seed: 1 }));
    expect(texts({ seed: 1 })).not.toEqual(texts({ seed: 2 }));
    expect(texts({ seed: 1 })).not.toEqual(texts({ seed: 1, phase: 'mixed' }));
  });

  it('practises copying first', () => {
    const copying = take(1000, { phase: 'copy' }).filter(({ source }) => source === 'copy');
    expect(copying.length / 1000).toBeCloseTo(0.45, 1);
    for (const { segments } of copying) {
      const [prompt, policy] = segments.map(({ text }) => text);
      const searched = [...(policy ?? '').matchAll(/<search>([^<]+)<\/search>/g)].map((match) => match[1]);
      expect(searched.toSorted()).toEqual(prompt?.split('; ').toSorted());
    }
  });

  it('words easy ones as stories', () => {
    const easy = take(200, {}).filter(({ source }) => source === 'easy');
    expect(easy.length).toBeGreaterThan(20);
    for (const demonstration of easy) expect(textOf(demonstration)).toMatch(/^\w+ has \d, gets \d\?<think>easy</);
  });

  it('comes in three phases', () => {
    expect([0, 0.39, 0.4, 0.86, 0.87, 1].map(demonstrationPhase)).toEqual([
      'copy',
      'copy',
      'clean',
      'clean',
      'mixed',
      'mixed',
    ]);
  });
});
