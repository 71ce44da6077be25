import { existsSync } from 'node:fs';
import { createRandom, hashSeed } from '@tapo/core';
import { readJsonlRecords } from '@tapo/data';
import { demonstrationPhase, worldDemonstrations } from '@tapo/data/world';
import type { DemonstrationPhase } from '@tapo/data/world';
import type { TextSegment, Tokenizer } from '@tapo/rollout';
import { type } from 'arktype';
import { UsageError } from '../cli/command.js';
import { withStart } from '../prompt.js';
import type { SftConfig } from './config.js';
import { encodeMessages, messageSchema } from './messages.js';

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
    const example = { ...encodeSegments(segments, tokenizer), weight };
    return checkLength(example, { maxTokens: data.maxTokens, place: 'world' });
  };
}

const segmentsLine = type({
  segments: type({ text: 'string', sampled: 'boolean' }).array().atLeastLength(1),
  'weight?': 'number >= 0',
});
const messagesLine = type({ messages: messageSchema.array(), 'weight?': 'number >= 0' });

async function fileExamples({ data, seed }: SftConfig, tokenizer: Tokenizer): Promise<ExampleSource> {
  const { source: file, maxTokens } = data;
  if (!existsSync(file)) throw new UsageError(`data.source: there is no file ${file}`, 'give "world" or a .jsonl file');
  const examples: SftExample[] = [];
  for await (const { row, record } of readJsonlRecords(file)) {
    const place = `${file}:${row}`;
    const isChat = typeof record === 'object' && record !== null && 'messages' in record;
    const parsed = isChat ? messagesLine(record) : segmentsLine(record);
    if (parsed instanceof type.errors) {
      throw new UsageError(
        `${place}: ${parsed.summary}`,
        'each line is {"segments": [{"text": …, "sampled": …}]} or {"messages": [{"role": …, "content": …}]}',
      );
    }
    const encoded =
      'messages' in parsed
        ? encodeMessages(parsed.messages, { tokenizer, place })
        : encodeSegments(parsed.segments, tokenizer);
    examples.push(checkLength({ ...encoded, weight: parsed.weight ?? 1 }, { maxTokens, place }));
  }
  if (examples.length === 0) throw new UsageError(`${file} has no examples`);
  let drawn = 0;
  let deck: SftExample[] = [];
  return () => {
    const epoch = Math.floor(drawn / examples.length);
    if (drawn % examples.length === 0) deck = createRandom(hashSeed(seed, 'sft', epoch)).shuffle(examples);
    return deck[drawn++ % examples.length] as SftExample;
  };
}

/**
 * Each segment is tokenised on its own, as in a rollout, after the beginning-of-sequence token of models that have one. Special tokens
 * written in the texts count: they spell the whole sequence, ends of turns included.
 */
function encodeSegments(segments: readonly TextSegment[], tokenizer: Tokenizer): Omit<SftExample, 'weight'> {
  const pieces = segments.map(({ text, sampled }) => ({ tokens: tokenizer.encode(text), mask: sampled ? 1 : 0 }));
  const written = pieces.flatMap((piece) => piece.tokens);
  const tokens = withStart(written, tokenizer);
  const start = tokens.slice(written.length).map(() => 0);
  return { tokens, lossMask: [...start, ...pieces.flatMap((piece) => piece.tokens.map(() => piece.mask))] };
}

function checkLength(example: SftExample, { maxTokens, place }: { maxTokens: number; place: string }): SftExample {
  const { length } = example.tokens;
  if (length <= maxTokens) return example;
  throw new UsageError(`${place}: the example has ${length} tokens, data.maxTokens is ${maxTokens}`);
}
