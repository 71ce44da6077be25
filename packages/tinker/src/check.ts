import { createTinkerClient, type TinkerClientOptions } from './client.js';
import { encodedText, float32, int64, type Datum } from './protocol.js';

/** What one check found. */
export interface ServerCheck {
  name: string;
  works: boolean;
  /** what was seen, or what is wrong and what to do */
  detail: string;
}

export interface CheckTinkerOptions extends TinkerClientOptions {
  /** default: the first one the server lists */
  baseModel?: string | undefined;
  /** any ids of the model's vocabulary */
  tokens?: readonly number[];
}

/**
 * Tries a server of the Tinker protocol, one check after the other, ending at the first that fails: reachable, models, a
 * model, a tiny forward and backward pass, what it does with several datums, sampling. Weights stay as they are.
 */
export async function* checkTinkerServer(options: CheckTinkerOptions): AsyncGenerator<ServerCheck> {
  const { tokens = [1, 2, 3, 4, 5] } = options;
  const client = createTinkerClient({ maxAttempts: 2, ...options });
  const { dialect } = client;
  let name = 'reachable';
  try {
    yield { name, works: true, detail: `${options.baseUrl}: ${await client.health()}` };

    name = 'models';
    const models = await client.supportedModels();
    const baseModel = options.baseModel ?? models[0];
    if (baseModel === undefined) throw new Error('the server lists no model: name one with tinker.baseModel');
    yield { name, works: true, detail: models.join(', ') || `none listed; trying ${baseModel}` };

    name = 'create model';
    const session = await client.createSession({ tags: ['tapo-doctor'] });
    const model = await session.createModel({ baseModel, rank: 8 });
    yield { name, works: true, detail: `${baseModel} with an adapter of rank 8` };

    name = 'forward, backward';
    const ones = tokens.slice(1).map(() => 1);
    const datum: Datum = {
      model_input: encodedText(tokens.slice(0, -1)),
      loss_fn_inputs: { target_tokens: int64(tokens.slice(1)), weights: float32(ones, 'weights') },
    };
    const gradientNorm = async (count: number): Promise<number | undefined> => {
      const pass = model.forwardBackward(
        Array.from({ length: count }, () => datum),
        { lossFn: 'cross_entropy' },
      );
      // a step of size 0: the accumulated gradient is gone, the weights have not moved
      const still = { learning_rate: 0, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0, grad_clip_norm: 0 };
      const metrics = await model.optimStep(still);
      await pass;
      return Object.entries(metrics).find(([key]) => /grad_?norm/.test(key))?.[1];
    };
    const single = await gradientNorm(1);
    yield {
      name,
      works: true,
      detail: single === undefined ? 'done; no gradient norm told' : `gradient norm ${single.toPrecision(3)}`,
    };

    name = 'dialect';
    const double = await gradientNorm(2);
    yield { name, ...judgeReduction(dialect, single, double) };

    name = 'sampling';
    const sampler = await model.sampler();
    const params = { max_tokens: 4, temperature: 1, top_p: 1, top_k: -1, seed: 1 };
    const [sequence] = (await sampler.sample({ prompt: [...tokens], params })).sequences;
    const logprobs = sequence?.logprobs ?? [];
    if (sequence === undefined || logprobs.length !== sequence.tokens.length) {
      throw new Error(`${logprobs.length} log-probabilities for ${sequence?.tokens.length ?? 0} sampled tokens`);
    }
    const whole = [...tokens, ...sequence.tokens];
    const forced = await model.forward(
      [
        {
          model_input: encodedText(whole.slice(0, -1)),
          loss_fn_inputs: {
            target_tokens: int64(whole.slice(1)),
            weights: float32(
              whole.slice(1).map(() => 1),
              'weights',
            ),
          },
        },
      ],
      { lossFn: 'cross_entropy' },
    );
    const trainer = forced.loss_fn_outputs[0]?.logprobs.data.slice(tokens.length - 1) ?? [];
    const gap = Math.max(...logprobs.map((value, i) => Math.abs(value - (trainer[i] ?? Number.NaN))));
    const detail = `${sequence.tokens.length} tokens; sampler and trainer differ by ${gap.toExponential(1)} in a log-probability`;
    const remedy = ': does the server sample from the newest weights, at temperature 1?';
    yield { name, works: gap < 0.2, detail: gap < 0.2 ? detail : `${detail}${remedy}` };
    await model.unload({ maxAttempts: 1, timeoutMs: 5000 }).catch(() => {});
  } catch (error) {
    yield { name, works: false, detail: (error as Error).message };
  } finally {
    await client.close();
  }
}

/** Two equal datums have twice the gradient of one where the server sums, the same where it averages. */
function judgeReduction(
  { name, reduction }: { name: string; reduction: string },
  single: number | undefined,
  double: number | undefined,
): Omit<ServerCheck, 'name'> {
  if (single === undefined || double === undefined || !(single > 0)) {
    return { works: true, detail: `${name} (${reduction}); not verified: the server tells no gradient norm` };
  }
  const ratio = double / single;
  const seen = ratio > 1.5 ? 'sum' : 'datum-mean';
  const detail = `two equal datums have ${ratio.toFixed(2)} times the gradient of one: ${seen}`;
  if (seen === reduction) return { works: true, detail: `${name}: ${detail}` };
  const remedy = seen === 'sum' ? 'take tinker, skyrl, verl or tuft' : 'take skyrl-jax';
  return { works: false, detail: `${detail}, but dialect "${name}" says ${reduction}: ${remedy}` };
}
