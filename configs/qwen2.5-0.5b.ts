// Qwen2.5-0.5B-Instruct on this machine, with its chat template: the paper's algorithm at a size that one processor can try.
//   tapo train -c configs/qwen2.5-0.5b.ts
// Full training holds weights, gradients and two moments in float32: about 8 GB, and some GB for a micro-batch.
import { defineConfig } from '@tapo/trainer';

export default defineConfig({
  name: 'qwen2.5-0.5b',
  model: 'Qwen/Qwen2.5-0.5B-Instruct',
  tools: [{ name: 'search', documents: 'world', topK: 3 }, 'python'],
  engine: { microBatchTokens: 1024 },
  data: { train: 'world', evaluation: 'world', template: 'chat', balanced: true, maxPromptTokens: 512 },
  rollout: { problemsPerStep: 8, groupSize: 8, maxTokens: 1024, maxObservationTokens: 256 },
  reward: { overlong: { buffer: 128 } },
  optimizer: { learningRate: 2e-6, problemsPerMiniBatch: 4 },
  steps: 100,
});
