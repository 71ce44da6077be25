/** Runs to look at: `node --import tsx --conditions=tapo-source apps/trainer/test/view/write-sample-runs.ts DIR` */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSampleRun } from './sample-run.js';

const [directory = 'runs/sample', steps = '60'] = process.argv.slice(2);
await rm(directory, { recursive: true, force: true });
for (const learningRate of [1e-4, 3e-4]) {
  for (const seed of [1, 2, 3]) {
    await writeSampleRun(join(directory, `lr-${learningRate}-seed-${seed}`), {
      seed,
      steps: Number(steps),
      running: seed === 3,
      config: { optimizer: { learningRate, warmupSteps: 5, problemsPerMiniBatch: 2 } },
    });
  }
}
