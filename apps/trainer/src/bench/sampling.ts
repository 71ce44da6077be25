import type { LocalPolicy, Tokenizer } from '@tapo/policy';

type Sampler = Pick<LocalPolicy<Tokenizer>, 'sample' | 'release'>;

const options = { stop: [], temperature: 1, topP: 1, topK: 0 };

/** A prompt of letters, of which nothing is cached: its own first token and round. */
const promptOf = (length: number, sequence: number, round: number) =>
  Array.from({ length }, (_, t) => 5 + ((sequence * 7 + round * 11 + t * 3) % 80));

let rounds = 0;

/** Reads prompts of so many tokens, each its own, and samples one token after each. */
export function prefill(policy: Sampler, sequences: number, promptTokens: number): () => Promise<void> {
  return async () => {
    const round = ++rounds;
    const ids = Array.from({ length: sequences }, (_, i) => `prefill-${round}/${i}`);
    await Promise.all(
      ids.map((sequenceId, i) =>
        policy.sample({ sequenceId, tokens: promptOf(promptTokens, i, round), seed: round, maxTokens: 1, ...options }),
      ),
    );
    await Promise.all(ids.map((id) => policy.release(id)));
  };
}

/** Samples so many tokens in each sequence, eight to a prompt as in a group; the seconds do not count reading it. */
export function decode(policy: Sampler, sequences: number, sampledTokens: number): () => Promise<number> {
  return async () => {
    const round = ++rounds;
    const sample = (i: number, tokens: number[], maxTokens: number) =>
      policy.sample({ sequenceId: `decode-${round}/${i}`, tokens, seed: round * 1000 + i, maxTokens, ...options });
    const all = Array.from({ length: sequences }, (_, i) => i);
    const read = await Promise.all(
      all.map(async (i) => {
        const prompt = promptOf(24, Math.floor(i / 8), round);
        const { tokens } = await sample(i, prompt, 1);
        return [...prompt, ...tokens];
      }),
    );
    const start = performance.now();
    await Promise.all(all.map((i) => sample(i, read[i] as number[], sampledTokens)));
    const seconds = (performance.now() - start) / 1000;
    await Promise.all(all.map((i) => policy.release(`decode-${round}/${i}`)));
    return seconds;
  };
}
