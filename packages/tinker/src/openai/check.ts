import type { ServerCheck } from '../check.js';
import { createOpenAISampler, type OpenAISamplerOptions } from './sampler.js';

/** Tries one OpenAI-compatible server: reachable, models, a short completion. */
export async function* checkOpenAIServer(options: OpenAISamplerOptions): AsyncGenerator<ServerCheck> {
  const sampler = createOpenAISampler({ maxAttempts: 2, patienceMs: 0, ...options });
  let name = 'models';
  try {
    const models = await sampler.models();
    yield { name, works: true, detail: `${options.baseUrls[0]}: ${models.join(', ')}` };
    name = 'sampling';
    const { tokenizer } = options;
    const limits = { maxTokens: 8, stop: [], temperature: 1, topP: 1, topK: 0, seed: 1 };
    const { tokens, logprobs } = await sampler.policy.sample({
      sequenceId: 'doctor',
      tokens: tokenizer.encode('1'),
      ...limits,
    });
    const wrong = logprobs.findIndex((logprob) => !(logprob <= 0));
    if (wrong >= 0) throw new Error(`log-probability ${wrong} is ${logprobs[wrong]}`);
    const kind = sampler.exact ? 'with ids and log-probabilities' : 'text only: for evaluation, not for training';
    yield { name, works: true, detail: `${tokens.length} tokens, ${kind}` };
  } catch (error) {
    yield { name, works: false, detail: (error as Error).message };
  } finally {
    await sampler.close();
  }
}
