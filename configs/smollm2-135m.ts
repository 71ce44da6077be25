// SmolLM2-135M-Instruct with LoRA on two cores: facts to look up, sums to compute, sums to do in the head.
//   npx tsx --conditions=tapo-source examples/smollm2-135m/prepare.ts   the model, demonstrations, problems
//   tapo sft -c examples/smollm2-135m/sft.json                          the cold start
//   tapo train -c configs/smollm2-135m.ts
// Every token counts here: hence short rules, one line of an article as observation, no forward pass before
// the update, and no groups that teach nothing. See examples/smollm2-135m for what it printed.
import { defineConfig } from '@tapo/trainer';

export default defineConfig({
  name: 'smollm2-135m',
  model: 'models/smollm2-135m-cold',
  lora: { rank: 16, alpha: 32 },
  tools: [{ name: 'search', documents: 'world', topK: 1 }, 'python'],
  engine: { microBatchTokens: 512 },
  data: {
    train: 'examples/smollm2-135m/data/train.jsonl',
    evaluation: 'examples/smollm2-135m/data/eval.jsonl',
    template: 'chat',
    rules: 'Use tools.',
    balanced: true,
    maxPromptTokens: 48,
  },
  rollout: { problemsPerStep: 6, groupSize: 8, maxTokens: 112, maxObservationTokens: 40 },
  reward: { overlong: null },
  dynamicSampling: { maxDraws: 1, fill: false },
  loss: { oldLogprobs: 'sampler' },
  optimizer: { learningRate: 2e-4, warmupSteps: 2, problemsPerMiniBatch: 6, weightDecay: 0, beta2: 0.98 },
  checkpoint: { everySteps: 5, keep: 10 },
  evaluation: { everySteps: 10, problems: 96 },
  steps: 40,
});
