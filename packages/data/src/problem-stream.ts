import { DataError } from './data-error.js';
import { problemSource } from './problem.js';
import type { Problem } from './problem.js';
import { createRandom, hash32 } from './random.js';

/** Plain JSON: goes into a checkpoint, comes back with `restore`. */
export interface ProblemStreamState {
  seed: number;
  balanced: boolean;
  /** problems drawn so far */
  drawn: number;
  /** digest of the problems' ids in order: a position means nothing in another list */
  digest: string;
}

export interface ProblemStream {
  /** The next `count` problems; endless, epoch after epoch. */
  draw(count: number): Problem[];
  /** full passes finished over the whole list, or over the smallest source when balanced */
  readonly epoch: number;
  state(): ProblemStreamState;
  /** @throws DataError when the state belongs to another list, seed or balance */
  restore(state: ProblemStreamState): void;
}

export interface ProblemStreamOptions {
  seed?: number;
  /** Draw in turn from every source (`problemSource`), however many problems each has; else all in one shuffled list. */
  balanced?: boolean;
}

/** A shuffled deck that is reshuffled every epoch; card `index` depends on the seed and the label only. */
function createDeck(problems: readonly Problem[], seed: number, label: string): (index: number) => Problem {
  let shuffledEpoch = -1;
  let deck: readonly Problem[] = problems;
  return (index) => {
    const epoch = Math.floor(index / problems.length);
    if (epoch !== shuffledEpoch) {
      deck = createRandom(seed, `deck:${label}:${epoch}`).shuffle(problems);
      shuffledEpoch = epoch;
    }
    return deck[index % problems.length] as Problem;
  };
}

function groupBySource(problems: readonly Problem[]): Map<string, Problem[]> {
  const groups = new Map<string, Problem[]>();
  for (const problem of problems) {
    const source = problemSource(problem);
    const group = groups.get(source);
    if (group) group.push(problem);
    else groups.set(source, [problem]);
  }
  return groups;
}

/**
 * An endless, seeded series of problems, each epoch in a new order. Problem n is a function of (problems, seed, n):
 * a restored stream goes on exactly where the interrupted one stopped.
 *
 * @throws DataError when `problems` is empty
 */
export function createProblemStream(
  problems: readonly Problem[],
  { seed = 0, balanced = false }: ProblemStreamOptions = {},
): ProblemStream {
  if (problems.length === 0) throw new DataError('got no problems, wanted at least one. Is the file empty?');
  const groups = balanced ? groupBySource(problems) : new Map([['all', [...problems]]]);
  const decks = [...groups].map(([source, group]) => createDeck(group, seed, source));
  const smallest = Math.min(...[...groups.values()].map((group) => group.length));
  const digest = hash32(problems.map((problem) => problem.id).join('\n')).toString(16) + `-${problems.length}`;
  let drawn = 0;

  return {
    draw(count) {
      return Array.from({ length: count }, () => {
        const deck = decks[drawn % decks.length] as (index: number) => Problem;
        return deck(Math.floor(drawn++ / decks.length));
      });
    },
    get epoch() {
      return Math.floor(drawn / (smallest * decks.length));
    },
    state: () => ({ seed, balanced, drawn, digest }),
    restore(state) {
      for (const [key, wanted] of Object.entries({ seed, balanced, digest })) {
        const got = state[key as 'seed' | 'balanced' | 'digest'];
        if (got !== wanted) {
          throw new DataError(
            `cannot go on in this problem stream: its saved position has ${key} ${got}, this stream has ${wanted}. ` +
              'Resume with the data and the settings of the interrupted run',
          );
        }
      }
      if (!Number.isSafeInteger(state.drawn) || state.drawn < 0) {
        throw new DataError(`drawn must be an integer of at least 0, got ${state.drawn}`);
      }
      drawn = state.drawn;
    },
  };
}
