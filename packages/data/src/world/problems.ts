import { isFairPair } from '../complex.js';
import type { Problem } from '../problem.js';
import { createRandom } from '../random.js';
import type { Random } from '../random.js';
import { demonstrate } from './behaviours.js';
import type { AskedCountry } from './countries.js';
import { drawStory, splitCountries, splitOfSum } from './splits.js';
import type { WorldSplit } from './splits.js';
import { factFields, factOperators, isFairFact, worldProblem, worldSources } from './tasks.js';
import type { WorldSource, WorldTask } from './tasks.js';
import { traceLength, trajectoryBudget } from './trace.js';

/** A drawn sum or product of two three-digit numbers. */
export function drawCalculation(split: WorldSplit, random: Random): WorldTask {
  for (;;) {
    const a = random.integer(100, 999);
    const b = random.integer(100, 999);
    const operator = random.pick(['+', '*'] as const);
    if (splitOfSum(a, operator, b) === split) return { source: 'calculator', a, operator, b };
  }
}

/** A drawn fact; `drawCountry` is called until the fact is fair. */
export function drawFact(drawCountry: () => AskedCountry, random: Random): WorldTask {
  for (;;) {
    const country = drawCountry();
    const field = random.pick(factFields);
    if (isFairFact(country, field)) return { source: 'nq', country, field };
  }
}

/** A drawn pair of countries with an operation, fair and short enough for the trajectory budget. */
export function drawPair(drawCountry: () => AskedCountry, random: Random): WorldTask {
  for (;;) {
    const first = drawCountry();
    const second = drawCountry();
    const operator = random.pick(factOperators);
    if (first.name === second.name || !isFairPair(first.area, operator, second.area)) continue;
    const task: WorldTask = { source: 'complex', first, operator, second };
    if (traceLength(demonstrate(task, 'right', random)) <= trajectoryBudget) return task;
  }
}

export interface WorldProblemsOptions {
  seed?: number;
  /** problems of each source; fewer where the split has fewer facts */
  perSource?: number;
  sources?: readonly WorldSource[];
}

/** `count` distinct tasks, or all there are. */
function tasksOf(source: WorldSource, split: WorldSplit, count: number, random: Random): WorldTask[] {
  const countries = splitCountries(split);
  if (source === 'nq') {
    const all = countries.flatMap((country) =>
      factFields.filter((field) => isFairFact(country, field)).map((field): WorldTask => ({ source, country, field })),
    );
    return random.shuffle(all).slice(0, count);
  }
  const draw = (): WorldTask => {
    if (source === 'easy') return { source, ...drawStory(split, random) };
    return source === 'calculator' ? drawCalculation(split, random) : drawPair(() => random.pick(countries), random);
  };
  const tasks = new Map<string, WorldTask>();
  for (let attempts = 0; tasks.size < count && attempts < 20 * count; attempts++) {
    const task = draw();
    tasks.set(worldProblem(task).id, task);
  }
  return [...tasks.values()];
}

/**
 * Distinct problems of one split, the sources taking turns. What a split may ask is fixed; the seed chooses among it.
 * No question of one split occurs in another, whatever the seeds.
 */
export function worldProblems(
  split: WorldSplit,
  { seed = 0, perSource = 64, sources = worldSources }: WorldProblemsOptions = {},
): Problem[] {
  const columns = sources.map((source) =>
    tasksOf(source, split, perSource, createRandom(seed, `world:${split}:${source}`)).map(worldProblem),
  );
  return Array.from({ length: perSource }, (_, index) =>
    columns.flatMap((column) => column.slice(index, index + 1)),
  ).flat();
}
