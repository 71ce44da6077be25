import { type } from 'arktype';
import type { ConfigSchema } from '../config/validate.js';
import { loraSchema } from '../config/schema.js';
import { validateConfig } from '../config/validate.js';

const fresh = type({
  '+': 'reject',
  /** the fields of a Hugging Face `config.json`; `vocab_size` is the tokenizer's */
  config: 'object',
  /** `characters`: one token per ASCII character and tag; or a directory with a tokenizer.json */
  tokenizer: "string > 0 = 'characters'",
  embeddingStd: 'number > 0 = 0.02',
  linearStd: type("number > 0 | 'fan-in'").default(0.02),
  /** size of layer-0 biases that make heads attend to the positions just before; 0 = off */
  previousTokenBias: 'number >= 0 = 0',
});

const data = type({
  '+': 'reject',
  /** `world`: demonstrations of @tapo/data by curriculum; or a .jsonl file of `{segments: [{text, sampled}]}` or `{messages: [{role, content}]}` */
  source: "string > 0 = 'world'",
  /** world: share of wrong traces in the last phase */
  wrongShare: '0 <= number <= 1 = 0.7',
  /** world: share of made-up countries */
  madeUpShare: '0 <= number <= 1 = 0.75',
  /** a longer example is an error */
  maxTokens: 'number.integer >= 2 = 2048',
});

const optimizer = type({
  '+': 'reject',
  learningRate: 'number > 0 = 0.00001',
  warmupSteps: 'number.integer >= 0 = 20',
  /** share of the steps after which the learning rate falls, linearly */
  decayFrom: '0 <= number <= 1 = 0.55',
  /** learning rate of the last step, as a share */
  finalShare: '0 <= number <= 1 = 0.05',
  beta1: '0 <= number < 1 = 0.9',
  beta2: '0 <= number < 1 = 0.98',
  epsilon: 'number > 0 = 0.00000001',
  weightDecay: 'number >= 0 = 0.01',
  gradientClip: type('number > 0 | null').default(1),
});

const engine = type({
  '+': 'reject',
  backend: "string = 'auto'",
  'threads?': 'number.integer >= 1',
  'microBatchTokens?': 'number.integer >= 1',
});

export const sftSchema = type({
  '+': 'reject',
  seed: 'number.integer >= 0 = 1',
  steps: 'number.integer >= 1 = 1000',
  rowsPerStep: 'number.integer >= 1 = 32',
  /** a model to go on from (directory, .gguf file or id of the hub); else `init` */
  'model?': 'string > 0',
  /** a model with random weights */
  'init?': fresh,
  /** train low-rank adapters over the frozen model and write them merged; null = train all weights */
  lora: loraSchema.or('null').default(null),
  out: 'string > 0',
  dtype: "'F32' | 'BF16' = 'F32'",
  data: data.default(() => ({})),
  optimizer: optimizer.default(() => ({})),
  engine: engine.default(() => ({})),
});

/** The resolved config of a cold start. */
export type SftConfig = typeof sftSchema.infer;

/** Checks the config of `tapo sft` and fills in the defaults. @throws UsageError that names every bad key */
export function resolveSftConfig(config: unknown, place = 'config'): SftConfig {
  return validateConfig(
    sftSchema as ConfigSchema<unknown> as ConfigSchema<SftConfig>,
    config,
    place,
    ({ model, init }) =>
      (model === undefined) === (init === undefined)
        ? ['give either model (an existing one) or init (random weights)']
        : [],
  );
}

/** Learning rate of step `step` (from 1): linear warm-up, constant, linear decay. */
export function scheduledLearningRate(
  { optimizer, steps }: Pick<SftConfig, 'optimizer' | 'steps'>,
  step: number,
): number {
  const { learningRate, warmupSteps, decayFrom, finalShare } = optimizer;
  const warmup = Math.min(1, step / Math.max(1, warmupSteps));
  const progress = (step - 1) / steps;
  const decay = progress <= decayFrom ? 1 : finalShare + ((1 - finalShare) * (1 - progress)) / (1 - decayFrom);
  return learningRate * warmup * decay;
}
