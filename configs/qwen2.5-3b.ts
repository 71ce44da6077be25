// Qwen2.5-3B on a Tinker server, with the paper's single-node settings (TAPO, arXiv 2510.07038), which are the defaults:
// 64 problems × 4 rollouts a step, 16 problems an update, 2048 tokens of prompt and of response, AdamW 1e-6.
//   tapo train -c configs/qwen2.5-3b.ts --tinker.baseUrl http://gpu-node:8000
// `model` is the model's id on the hub, or a local directory: only its tokenizer is needed here, the weights live on the server.
import { defineConfig } from '@tapo/trainer';

export default defineConfig({
  name: 'qwen2.5-3b',
  model: 'Qwen/Qwen2.5-3B',
  engine: { name: 'tinker' },
  tinker: { baseModel: 'Qwen/Qwen2.5-3B', dialect: 'skyrl', rank: 0 },
  tools: ['serper', 'python'],
  data: { train: 'data/tapo-easy-60k-train.parquet', evaluation: 'data/tapo-easy-60k-test.parquet' },
  steps: 300,
  checkpoint: { everySteps: 20 },
  evaluation: { everySteps: 20 },
});
