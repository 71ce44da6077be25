import { worldArticleLine } from './articles.js';
import type { AskedCountry } from './countries.js';

/** A piece of a trace. `sampled`: text of the policy, to be learned; else prompt or observation, to be masked. */
export interface DemonstrationSegment {
  text: string;
  sampled: boolean;
}

/** What follows the prompt, one step at a time. Adjacent steps of the policy are one segment. */
export type TraceStep = { policy: string } | { observation: string };

export const think = (text: string): TraceStep[] => [{ policy: `<think>${text}</think>` }];

export const answer = (text: string): TraceStep[] => [{ policy: `<answer>${text}</answer>` }];

/** The call and what the runtime writes after it: the top hit's line, as the search tool prints it. */
export const search = (country: AskedCountry): TraceStep[] => [
  { policy: `<search>${country.name}</search>` },
  { observation: worldArticleLine(country) },
];

export const code = (program: string, printed: string): TraceStep[] => [
  { policy: `<code>${program}</code>` },
  { observation: printed },
];

export function toSegments(prompt: string, steps: readonly TraceStep[]): DemonstrationSegment[] {
  const segments: DemonstrationSegment[] = [{ text: prompt, sampled: false }];
  for (const step of steps) {
    const sampled = 'policy' in step;
    const text = sampled ? step.policy : `\n\n<response>${step.observation}</response>\n\n`;
    const last = segments.at(-1);
    if (sampled && last?.sampled) last.text += text;
    else segments.push({ text, sampled });
  }
  return segments;
}

/** Room for a whole trajectory of the tiny policy: 256 tokens, less one each for beginning and end of sequence. */
export const trajectoryBudget = 254;

/** Length in tokens of the tiny tokenizer: a tag is one token, every other character too. */
export function traceLength(segments: readonly DemonstrationSegment[]): number {
  const text = segments.map((segment) => segment.text).join('');
  return text.replaceAll(/<\/?(?:think|search|code|response|answer)>/g, 't').length;
}
