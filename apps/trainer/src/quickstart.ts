import { fileURLToPath } from 'node:url';
import { resolveConfig } from './config/schema.js';
import type { ResolvedConfig, ToolEntry } from './config/schema.js';

/** The shipped cold start: `tapo sft -c quickstart/sft.json` made it (quickstart/model/training.json has the record). */
const quickstartModel = fileURLToPath(new URL('../quickstart/model', import.meta.url));

export interface QuickstartOptions {
  seed?: number;
  steps?: number;
  model?: string;
  backend?: string;
  /** the code interpreter */
  code?: ToolEntry;
}

/** Held-out problems of the evaluation before and after. */
export const quickstartEvaluationProblems = 256;

/** The recipe: what a tiny policy needs to learn to use its tools within minutes on two cores. */
export function quickstartConfig(options: QuickstartOptions = {}): ResolvedConfig {
  const { seed = 1, steps = 30, model = quickstartModel, backend = 'auto', code = 'python' } = options;
  return resolveConfig(
    {
      name: 'quickstart',
      seed,
      steps,
      model,
      tools: [{ name: 'search', documents: 'world', topK: 1 }, code],
      engine: { backend },
      data: { train: 'world', evaluation: 'world', template: 'minimal', balanced: true, maxPromptTokens: 128 },
      rollout: {
        problemsPerStep: 16,
        groupSize: 8,
        maxTokens: 256,
        maxObservationTokens: 96,
        temperature: 1,
        toolTimeoutMs: 10_000,
      },
      reward: { mode: 'strict', overlong: null },
      dynamicSampling: { maxDraws: 2 },
      // Free tools are called for everything; the paper's sums need no preference, single-digit ones do.
      loss: { clipLow: 0.2, clipHigh: 0.28, callEfficiency: 1 },
      optimizer: {
        learningRate: 2e-4,
        warmupSteps: 5,
        problemsPerMiniBatch: 8,
        weightDecay: 0,
        beta2: 0.98,
      },
      checkpoint: { everySteps: 10, keep: 1 },
      evaluation: { problems: quickstartEvaluationProblems },
    },
    'quickstart',
  );
}
