import type { Problem } from '../problem.js';
import { createRandom } from '../random.js';
import type { Random } from '../random.js';
import { demonstrate, wrongBehaviours } from './behaviours.js';
import type { Behaviour, BehaviourWeights } from './behaviours.js';
import { madeUpArea, madeUpCountry, madeUpName } from './made-up.js';
import { drawCalculation, drawFact, drawPair } from './problems.js';
import { drawStory, splitCountries } from './splits.js';
import { worldProblem } from './tasks.js';
import type { WorldSource, WorldTask } from './tasks.js';
import { toSegments } from './trace.js';
import type { DemonstrationSegment } from './trace.js';

/**
 * The curriculum of the cold start. `copy`: mostly copying of random strings, with facts, sums and easy ones between.
 * `clean`: all four sources, done right. `mixed`: the same with wrong behaviours, so that the policy knows several and
 * chooses badly: reinforcement learning sharpens a choice, it does not teach a skill that is missing.
 */
export type DemonstrationPhase = 'copy' | 'clean' | 'mixed';

/** The phase for a share of the training steps in [0, 1): copying up to 0.4, clean up to 0.87, then mixed. */
export function demonstrationPhase(progress: number): DemonstrationPhase {
  if (progress < 0.4) return 'copy';
  return progress < 0.87 ? 'clean' : 'mixed';
}

/** One trace for supervised training. */
export interface Demonstration {
  source: WorldSource | 'copy';
  behaviour: Behaviour | 'copy';
  /** none for copying */
  problem?: Problem;
  /** prompt, then policy text and observations in turn; their texts joined are the whole sequence */
  segments: DemonstrationSegment[];
  /** factor of the trace's loss: the short easy ones count four times */
  weight: number;
}

export interface WorldDemonstrationsOptions {
  seed?: number;
  phase?: DemonstrationPhase;
  /** share of wrong traces in the phase `mixed` */
  wrongShare?: number;
  /** share of traces about made-up countries; the others are about countries of the split `sft` */
  madeUpShare?: number;
  /** which wrong behaviours, and how often; replaces the default of each source given */
  behaviours?: Partial<Record<WorldSource, BehaviourWeights>>;
}

// Easy ones are many because a sum table must be learned by heart; they are short, so they cost little.
const fullMix = { copy: 0.1, sources: { nq: 0.22, calculator: 0.12, complex: 0.33, easy: 0.33 } };

const mixes: Record<DemonstrationPhase, { copy: number; sources: Partial<Record<WorldSource, number>> }> = {
  copy: { copy: 0.45, sources: { nq: 0.36, calculator: 0.24, easy: 0.4 } },
  clean: fullMix,
  mixed: fullMix,
};

/** "a Tobar; b 4711; c Ki-Runa" is to be searched for item by item, in another order: dense practice in copying. */
function copyDemonstration(random: Random): Demonstration {
  const items = Array.from({ length: random.integer(1, 3) }, (_, index) => {
    const text = random.chance(0.45) ? String(madeUpArea(random)) : madeUpName(random, 14);
    return `${'abc'.charAt(index)} ${text}`;
  });
  const policy = random
    .shuffle(items)
    .map((item) => `<search>${item}</search>`)
    .join('');
  return { source: 'copy', behaviour: 'copy', segments: toSegments(items.join('; '), [{ policy }]), weight: 1 };
}

/**
 * An endless, seeded series of demonstrations for the cold start. Real countries and all sums come from the split `sft`,
 * so nothing that reinforcement learning or evaluation asks is shown; made-up countries never have a real one's name.
 * No trace is longer than 254 tokens of the tiny tokenizer (`trajectoryBudget`).
 */
export function* worldDemonstrations({
  seed = 0,
  phase = 'clean',
  wrongShare = 0.7,
  madeUpShare = 0.75,
  behaviours = {},
}: WorldDemonstrationsOptions = {}): Generator<Demonstration, never> {
  const random = createRandom(seed, `demonstrations:${phase}`);
  const countries = splitCountries('sft');
  const mix = mixes[phase];

  const drawTask = (source: WorldSource, madeUp: boolean): WorldTask => {
    const drawCountry = () => (madeUp ? madeUpCountry(random) : random.pick(countries));
    switch (source) {
      case 'nq':
        return drawFact(drawCountry, random);
      case 'calculator':
        return drawCalculation('sft', random);
      case 'complex':
        return drawPair(drawCountry, random);
      case 'easy':
        return { source, ...drawStory('sft', random) };
    }
  };

  for (;;) {
    if (random.chance(mix.copy)) {
      yield copyDemonstration(random);
      continue;
    }
    const source = random.pickWeighted(mix.sources);
    const madeUp = random.chance(madeUpShare);
    const task = drawTask(source, madeUp);
    const wrong = phase === 'mixed' && random.chance(wrongShare);
    const behaviour: Behaviour = wrong
      ? random.pickWeighted({ ...(behaviours[source] ?? wrongBehaviours[source]) })
      : 'right';
    const guessCapital = () => (madeUp ? madeUpName(random, 12) : random.pick(countries).capital);
    yield {
      source,
      behaviour,
      problem: worldProblem(task),
      segments: demonstrate(task, behaviour, random, { guessCapital }),
      weight: source === 'easy' ? 4 : 1,
    };
  }
}
