// Qwen2.5-7B on a Tinker server, with the paper's two-node settings (TAPO, arXiv 2510.07038): 128 problems × 8 rollouts a
// step, 32 problems an update, 8192 tokens of response.
//   tapo train -c configs/qwen2.5-7b.ts --tinker.baseUrl http://gpu-node:8000
import { defineConfig } from '@tapo/trainer';

export default defineConfig({
  name: 'qwen2.5-7b',
  model: 'Qwen/Qwen2.5-7B',
  engine: { name: 'tinker' },
  tinker: { baseModel: 'Qwen/Qwen2.5-7B', dialect: 'skyrl', rank: 0 },
  tools: ['serper', 'python'],
  data: { train: 'data/tapo-hard-18k-train.parquet', evaluation: 'data/tapo-hard-18k-test.parquet' },
  rollout: { problemsPerStep: 128, groupSize: 8, maxTokens: 2048 + 8192 },
  optimizer: { problemsPerMiniBatch: 32 },
  steps: 300,
  checkpoint: { everySteps: 20 },
  evaluation: { everySteps: 20 },
});
