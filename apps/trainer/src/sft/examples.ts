import { createRandom, hashSeed } from '@tapo/core';
import { demonstrationPhase, worldDemonstrations } from '@tapo/data/world';
import type { DemonstrationPhase } from '@tapo/data/world';
import type { TextSegment, Tokenizer } from '@tapo/rollout';
import { type } from 'arktype';
import { UsageError } from '../cli/command.js';
import { readJsonLines } from '../run-directory.js';
import type { SftConfig } from './config.js';

/** One supervised row. */
export interface SftExample {
  tokens: number[];
  /** 1 where the token is to be learned */
  lossMask: number[];
  /** factor of the row's loss */
  weight: number;
}

/** Gives the examples of step after step; `progress` in [0, 1) chooses the phase of a curriculum. */
export type ExampleSource = (progress: number) => SftExample;

/** @throws UsageError for a file that cannot be used; the message names its line */
export async function openExamples(config: SftConfig, tokenizer: Tokenizer): Promise<ExampleSource> {
  const { data, seed } = config;
  if (data.source !== 'world') return fileExamples(config, tokenizer);
  const { wrongShare, madeUpShare } = data;
  const open = (phase: DemonstrationPhase) => worldDemonstrations({ seed, phase, wrongShare, madeUpShare });
  const phases = { copy: open('copy'), clean: open('clean'), mixed: open('mixed') };
  return (progress) => {
    const { segments, weight } = phases[demonstrationPhase(progress)].next().value;
    return encodeExample(segments, weight, { tokenizer, maxTokens: data.maxTokens, place: 'world' });
  };
}

const line = type({
  segments: type({ text: 'string', sampled: 'boolean' }).array().atLeastLength(1),
  'weight?': 'number >= 0',
});

async function fileExamples({ data, seed }: SftConfig, tokenizer: Tokenizer): Promise<ExampleSource> {
  const file = data.source;
  const examples = (await readJsonLines(file)).map((record, index) => {
    const place = `${file}:${index + 1}`;
    const parsed = line(record);
    if (parsed instanceof type.errors) {
      throw new UsageError(`${place}: ${parsed.summary}`, 'each line is {"segments": [{"text": …, "sampled": …}]}');
    }
    return encodeExample(parsed.segments, parsed.weight ?? 1, { tokenizer, maxTokens: data.maxTokens, place });
  });
  if (examples.length === 0) throw new UsageError(`${file} has no examples`);
  let drawn = 0;
  let deck: SftExample[] = [];
  return () => {
    const epoch = Math.floor(drawn / examples.length);
    if (drawn % examples.length === 0) deck = createRandom(hashSeed(seed, 'sft', epoch)).shuffle(examples);
    return deck[drawn++ % examples.length] as SftExample;
  };
}

/** Each segment is tokenised on its own, as in a rollout. */
function encodeExample(
  segments: readonly TextSegment[],
  weight: number,
  { tokenizer, maxTokens, place }: { tokenizer: Tokenizer; maxTokens: number; place: string },
): SftExample {
  const pieces = segments.map(({ text, sampled }) => ({ tokens: tokenizer.encode(text), mask: sampled ? 1 : 0 }));
  const tokens = pieces.flatMap((piece) => piece.tokens);
  if (tokens.length > maxTokens) {
    throw new UsageError(`${place}: the example has ${tokens.length} tokens, data.maxTokens is ${maxTokens}`);
  }
  return { tokens, lossMask: pieces.flatMap((piece) => piece.tokens.map(() => piece.mask)), weight };
}
