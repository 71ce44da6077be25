import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createProblemStream, problemSource } from '@tapo/data';
import type { Problem } from '@tapo/data';

const problemsOf = (counts: Record<string, number>): Problem[] =>
  Object.entries(counts).flatMap(([dataSource, count]) =>
    Array.from({ length: count }, (_, n) => ({
      id: `${dataSource}-${n}`,
      question: `Q${n}`,
      dataSource,
      targets: ['A'],
    })),
  );
const ids = (problems: Problem[]) => problems.map(({ id }) => id);

describe('createProblemStream', () => {
  it('gives every problem once per epoch, in a new order each time', () => {
    const problems = problemsOf({ nq: 20 });
    const stream = createProblemStream(problems, { seed: 1 });
    const first = ids(stream.draw(20));
    expect(stream.epoch).toBe(1);
    const second = ids(stream.draw(20));
    expect(first.toSorted()).toEqual(ids(problems).toSorted());
    expect(second.toSorted()).toEqual(ids(problems).toSorted());
    expect(second).not.toEqual(first);
  });

  it('is a function of the seed', () => {
    const problems = problemsOf({ nq: 20 });
    const draw = (seed: number) => ids(createProblemStream(problems, { seed }).draw(20));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('takes sources in turn when balanced', () => {
    // nq has 3 problems, calculator 9: in 18 draws each is asked 9 times, nq's three times over
    const stream = createProblemStream(problemsOf({ nq: 3, calculator: 9 }), { balanced: true });
    const drawn = ids(stream.draw(18));
    expect(drawn.filter((id) => id.startsWith('nq'))).toHaveLength(9);
    expect(new Set(drawn)).toHaveLength(12);
    expect(stream.epoch).toBe(3);
  });

  it('balances over the label of metadata where one scorer serves two kinds', () => {
    const problems = problemsOf({ default: 10 }).map((problem, n) => ({
      ...problem,
      metadata: { source: n < 1 ? 'easy' : 'hard' },
    }));
    const drawn = createProblemStream(problems, { balanced: true }).draw(18);
    expect(drawn.filter((problem) => problemSource(problem) === 'easy')).toHaveLength(9);
  });

  it('goes on after a restore as if it had not been interrupted', () => {
    fc.assert(
      fc.property(
        fc.record({ nq: fc.integer({ min: 1, max: 9 }), calculator: fc.integer({ min: 1, max: 9 }) }),
        fc.boolean(),
        fc.nat(40),
        fc.nat(40),
        (counts, balanced, before, after) => {
          const problems = problemsOf(counts);
          const uninterrupted = createProblemStream(problems, { seed: 5, balanced });
          const all = ids(uninterrupted.draw(before + after));
          const interrupted = createProblemStream(problems, { seed: 5, balanced });
          interrupted.draw(before);
          const state: unknown = JSON.parse(JSON.stringify(interrupted.state()));
          const resumed = createProblemStream(problems, { seed: 5, balanced });
          resumed.restore(state as ReturnType<typeof resumed.state>);
          expect(ids(resumed.draw(after))).toEqual(all.slice(before));
        },
      ),
    );
  });

  it('refuses the position of another stream, and an empty list', () => {
    const state = createProblemStream(problemsOf({ nq: 3 })).state();
    expect(() => createProblemStream(problemsOf({ nq: 4 })).restore(state)).toThrow(/saved position has digest/);
    expect(() => createProblemStream(problemsOf({ nq: 3 }), { seed: 2 }).restore(state)).toThrow(
      /has seed 0, this stream has 2/,
    );
    expect(() => createProblemStream(problemsOf({ nq: 3 })).restore({ ...state, drawn: -1 })).toThrow(/drawn/);
    expect(() => createProblemStream([])).toThrow(/no problems/);
  });
});
