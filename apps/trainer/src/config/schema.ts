import type { Tool } from '@tapo/tools';
import { type } from 'arktype';
import { overlongLimit } from './overlong-limit.js';
import { validateConfig } from './validate.js';
import type { ConfigSchema } from './validate.js';

/** What every tool entry but a tool object may say. */
interface ToolEntryOptions {
  /** the tool's name and tag, where the entry makes one tool */
  as?: string;
  /** counts its calls, at this price, against `budget`; search services are counted in any case */
  costPerQuery?: number;
}

/**
 * A tool by name, by name with options, from a module, from an MCP server, or as an object (in a TypeScript config).
 * `${NAME}` in any text is that environment variable.
 */
export type ToolEntry =
  | string
  | Tool
  | (ToolEntryOptions & { name: string; [option: string]: unknown })
  | (ToolEntryOptions & {
      /** a file or an installed package */
      module: string;
      /** default: `tool` or `tools` */
      export?: string;
      /** whose tools they are; default: ours */
      from?: 'ai-sdk' | 'openai-agents' | 'langchain' | 'mastra';
      /** given to the export where it is a function */
      options?: unknown;
      include?: string[];
    })
  | (ToolEntryOptions & {
      /** URL of a server that speaks streamable HTTP, or a process to start */
      mcp: string | { command: string; args?: string[]; env?: Record<string, string>; cwd?: string };
      include?: string[];
      headers?: Record<string, string>;
    });

const engine = type({
  '+': 'reject',
  /** `local`: this machine, through @tapo/policy; `tinker`: a remote server, see `tinker`; `openai`: `sampler` alone, to evaluate */
  name: "'local' | 'tinker' | 'openai' = 'local'",
  backend: "string = 'auto'",
  /** CPU threads of one matrix operation; default: the machine's, up to 8 */
  'threads?': 'number.integer >= 1',
  /** padded tokens of one micro-batch: bounds the memory of a training step; default: by the model's size */
  'microBatchTokens?': 'number.integer >= 1',
  /** keep only each layer's input for the backward pass: about a quarter more time, a fraction of the memory */
  'gradientCheckpointing?': 'boolean',
  /** memory of the sampler's KV cache; default: up to a quarter of the machine's */
  'maxCacheBytes?': 'number.integer >= 1',
  /** memory that compiled functions keep between runs, for speed; default: a sixteenth of the machine's */
  'maxArenaBytes?': 'number.integer >= 0',
  /** sequences decoded together; default 64, less for large models */
  'maxRows?': 'number.integer >= 4',
});

const tinker = type({
  '+': 'reject',
  /** default: TINKER_BASE_URL of the environment, which also brings TINKER_API_KEY */
  'baseUrl?': 'string > 0',
  /** the server's name of the model; default: `model` */
  'baseModel?': 'string > 0',
  dialect: "string = 'tinker'",
  /** LoRA rank; 0 = full fine-tuning where the server offers it */
  rank: 'number.integer >= 0 = 32',
  lossRoute: "'exact' | 'ppo' = 'exact'",
  /** how often in a row a run goes on by itself from its newest checkpoint when the server was lost */
  recoveries: 'number.integer >= 0 = 5',
});

const sampler = type({
  '+': 'reject',
  /** one or several servers with the same model */
  baseUrls: 'string[] >= 1',
  /** `openai`: any other server of /v1/completions, for evaluation only */
  api: "'vllm' | 'sglang' | 'openai' = 'vllm'",
  /** the served model; default: what the first server lists */
  'model?': 'string > 0',
  /** where trained adapters are written for the servers to load */
  'adapterDirectory?': 'string > 0',
  /** the same directory as the servers see it */
  'serverAdapterDirectory?': 'string > 0',
});

export const loraSchema = type({
  '+': 'reject',
  rank: 'number.integer >= 1 = 16',
  alpha: 'number > 0 = 32',
  targets: type("('q_proj' | 'k_proj' | 'v_proj' | 'o_proj' | 'gate_proj' | 'up_proj' | 'down_proj')[] >= 1").default(
    () => ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
  ),
  /** scale by α/√rank instead of α/rank */
  rsLora: 'boolean = false',
});

const data = type({
  '+': 'reject',
  /** `world`, `calculator`, or a .jsonl or .parquet file in the published layout */
  train: "string = 'world'",
  evaluation: "string = 'world'",
  format: "string = 'tapo'",
  template: "'base' | 'chat' | 'minimal' = 'base'",
  /** own instructions instead of the built-in rules of `base` and `chat` */
  'rules?': 'string > 0',
  /** draw in turn from every source, however many problems each has */
  balanced: 'boolean = false',
  /** a longer prompt is an error, never cut */
  maxPromptTokens: 'number.integer >= 1 = 2048',
});

const rollout = type({
  '+': 'reject',
  problemsPerStep: 'number.integer >= 1 = 64',
  groupSize: 'number.integer >= 1 = 4',
  maxTurns: 'number.integer >= 0 = 4',
  /** whole trajectory: prompt, sampled and observed tokens */
  maxTokens: 'number.integer >= 2 = 4096',
  maxObservationTokens: 'number.integer >= 1 = 2048',
  temperature: 'number >= 0 = 1',
  topP: '0 < number <= 1 = 1',
  topK: 'number.integer >= 0 = 0',
  toolTimeoutMs: 'number > 0 = 30000',
  /** `tags`: the paper's; `json`: function calls as Hermes and Qwen write them */
  protocol: "'tags' | 'json' = 'tags'",
});

const cache = type({
  '+': 'reject',
  /** of the search services' answers: this process, a file of this machine, a server, or none */
  store: "'memory' | 'sqlite' | 'redis' | 'none' = 'memory'",
  file: "string > 0 = 'tapo-cache.sqlite'",
  /** default: REDIS_URL of the environment */
  'url?': 'string > 0',
  /** 7 days */
  ttlMs: 'number > 0 = 604800000',
  /** of the fuzzy hits; null = exact hits only */
  minSimilarity: type('0 <= number <= 1 | null').default(0.9),
});

const budget = type({
  '+': 'reject',
  /** calls of search services and of tools with `costPerQuery`; hits of the cache are free */
  'maxQueries?': 'number.integer >= 0',
  /** in the unit of `costPerQuery` */
  'maxCost?': 'number >= 0',
});

const overlong = type({
  '+': 'reject',
  /** default: rollout.maxTokens − data.maxPromptTokens */
  'maxLength?': 'number.integer >= 1',
  buffer: 'number > 0 = 1024',
  factor: 'number >= 0 = 1',
});

const reward = type({
  '+': 'reject',
  mode: "'strict' | 'reference' = 'strict'",
  overlong: overlong.or('null').default(() => ({ buffer: 1024, factor: 1 })),
  /** signs of reward hacking, see `watchCounters` of @tapo/eval, that make a rollout a format error */
  block: type("('forgedResponses' | 'severalAnswers' | 'stuffedAnswers' | 'repeatedCalls' | 'unusedCalls')[]").default(
    () => [],
  ),
  /** a rollout with more tool calls is a format error; null = off */
  maxCalls: type('number.integer >= 0 | null').default(null),
});

const dynamicSampling = type({
  '+': 'reject',
  enabled: 'boolean = true',
  maxDraws: 'number.integer >= 1 = 10',
  /** false: a step with too few groups that have spread is smaller, instead of being filled up with others */
  fill: 'boolean = true',
});

const overlap = type({
  '+': 'reject',
  /** rollouts of this many next steps are under way while the present one learns; 0 = one after the other */
  steps: 'number.integer >= 0 = 0',
  /** groups sampled by weights older than this many steps are dropped; default: `steps` + 1, since surplus groups wait a step */
  'maxStaleness?': 'number.integer >= 0',
});

const concurrency = type({
  '+': 'reject',
  /** sample requests under way at once; default: all that are ready */
  'sampling?': 'number.integer >= 1',
  /** tool calls under way at once; default: all that are ready */
  'tools?': 'number.integer >= 1',
  /** forward passes sent to the learner at once */
  learning: 'number.integer >= 1 = 1',
});

const loss = type({
  '+': 'reject',
  advantages: "'grpo' | 'rloo' | 'dr-grpo' = 'grpo'",
  aggregation: "'token-mean' | 'seq-mean-token-sum' | 'seq-mean-token-mean' | 'seq-mean-token-sum-norm' = 'token-mean'",
  /** offsets from 1, not ratios */
  clipLow: 'number >= 0 = 0.2',
  clipHigh: 'number >= 0 = 0.28',
  dualClip: type('number > 1 | null').default(10),
  /** weight of the KL penalty against the model the run started from, which is then held a second time; 0 = off */
  klCoefficient: 'number >= 0 = 0',
  klEstimator: "'k1' | 'k2' | 'k3' | 'abs' = 'k3'",
  entropyCoefficient: 'number = 0',
  truncatedImportanceCap: type('number > 0 | null').default(null),
  /** prefers fewer calls among the right rollouts of a group, see `callEfficiency` of @tapo/core; 0 = off */
  callEfficiency: 'number >= 0 = 0',
  /** `learner`: a forward pass before the update; `sampler`: the numbers it drew with, which saves that pass */
  oldLogprobs: "'learner' | 'sampler' = 'learner'",
});

const optimizer = type({
  '+': 'reject',
  learningRate: 'number > 0 = 0.000001',
  /** optimizer steps from 0 to `learningRate` */
  warmupSteps: 'number.integer >= 0 = 10',
  problemsPerMiniBatch: 'number.integer >= 1 = 16',
  beta1: '0 <= number < 1 = 0.9',
  beta2: '0 <= number < 1 = 0.999',
  epsilon: 'number > 0 = 0.00000001',
  weightDecay: 'number >= 0 = 0.1',
  gradientClip: type('number > 0 | null').default(1),
});

const checkpoint = type({
  '+': 'reject',
  everySteps: 'number.integer >= 1 = 10',
  /** older ones are deleted */
  keep: 'number.integer >= 1 = 2',
});

const evaluation = type({
  '+': 'reject',
  /** 0 = never during training */
  everySteps: 'number.integer >= 0 = 0',
  problems: 'number.integer >= 1 = 256',
});

/** Defaults are METHOD §4: the paper's single-node settings. */
export const configSchema = type({
  '+': 'reject',
  name: "string > 0 = 'run'",
  seed: 'number.integer >= 0 = 1',
  steps: 'number.integer >= 1 = 100',
  /** a model directory in Hugging Face layout, a .gguf file, or an id of the Hugging Face hub */
  model: 'string > 0',
  /** train low-rank adapters over the frozen model; null = train all weights */
  lora: loraSchema.or('null').default(null),
  /** an adapter directory in PEFT's layout to go on from */
  'adapter?': 'string > 0',
  tools: type('unknown[]').default(() => ['search', 'python']),
  cache: cache.default(() => ({})),
  budget: budget.default(() => ({})),
  engine: engine.default(() => ({})),
  tinker: tinker.default(() => ({})),
  /** sample on vLLM or SGLang servers, not with the engine itself */
  sampler: sampler.or('null').default(null),
  data: data.default(() => ({})),
  rollout: rollout.default(() => ({})),
  reward: reward.default(() => ({})),
  dynamicSampling: dynamicSampling.default(() => ({})),
  overlap: overlap.default(() => ({})),
  concurrency: concurrency.default(() => ({})),
  loss: loss.default(() => ({})),
  optimizer: optimizer.default(() => ({})),
  checkpoint: checkpoint.default(() => ({})),
  evaluation: evaluation.default(() => ({})),
});

/** A config as users write it: everything but `model` has a default. */
export type Config = Omit<typeof configSchema.inferIn, 'tools'> & { tools?: ToolEntry[] };

/** A config with every default filled in. */
export type ResolvedConfig = Omit<typeof configSchema.infer, 'tools'> & { tools: ToolEntry[] };

/** Types a config; `export default defineConfig({ … })` in `tapo.config.ts`. */
export function defineConfig(config: Config): Config {
  return config;
}

/** Checks a training config and fills in the defaults. @throws UsageError that names every bad key */
export function resolveConfig(config: unknown, place = 'config'): ResolvedConfig {
  return validateConfig(
    configSchema as ConfigSchema<unknown> as ConfigSchema<ResolvedConfig>,
    config,
    place,
    crossChecks,
  );
}

function crossChecks(config: ResolvedConfig): string[] {
  const { rollout, data, reward, optimizer, overlap, engine, sampler, lora } = config;
  const problems: string[] = [];
  const { steps, maxStaleness } = overlap;
  if (maxStaleness !== undefined && maxStaleness < steps) {
    problems.push(
      `overlap.maxStaleness is ${maxStaleness}, wanted at least overlap.steps (${steps}): nothing would be fresh`,
    );
  }
  if (engine.name === 'openai' && sampler === null) {
    problems.push('sampler is null, wanted {baseUrls: […]} with engine "openai"');
  }
  if (engine.name === 'local' && sampler !== null && lora === null) {
    problems.push('sampler needs lora with engine "local": adapters, not whole models, are pushed to its servers');
  }
  if (steps > 0 && engine.name === 'local' && sampler === null) {
    problems.push(
      `overlap.steps is ${steps}, wanted 0 with engine "local", which samples with the very weights that learn`,
    );
  }
  if (data.maxPromptTokens >= rollout.maxTokens) {
    problems.push(
      `data.maxPromptTokens is ${data.maxPromptTokens}, wanted less than rollout.maxTokens (${rollout.maxTokens}), ` +
        'which is the budget of prompt and response together',
    );
  }
  if (optimizer.problemsPerMiniBatch > rollout.problemsPerStep) {
    problems.push(
      `optimizer.problemsPerMiniBatch is ${optimizer.problemsPerMiniBatch}, wanted at most ` +
        `rollout.problemsPerStep (${rollout.problemsPerStep})`,
    );
  }
  const limit = overlongLimit({ rollout, data, reward });
  if (reward.overlong !== null && limit > 0 && reward.overlong.buffer > limit) {
    problems.push(
      `reward.overlong.buffer is ${reward.overlong.buffer}, wanted at most the response's ${limit} tokens; ` +
        'reward.overlong null switches the penalty off',
    );
  }
  return problems;
}
