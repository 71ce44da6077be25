/** TensorBoard (from PyPI) reads the event files of `tapo train --track tensorboard`: the same scalars at the same steps. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTensorBoard } from '../apps/trainer/src/trackers/tensorboard.js';
import { largestDifference, report, runPython } from './python.js';

const path = await mkdtemp(join(tmpdir(), 'tapo-tensorboard-'));
const tracker = await createTensorBoard({ path });
const steps = Array.from({ length: 200 }, (_, i) => i * i * 1000);
const metrics: Record<string, (i: number) => number> = {
  reward: (i) => Math.sin(i),
  'callsByTool/search': (i) => i / 3,
  'learningRate ü': (i) => 1e-7 * i,
};
for (const [i, step] of steps.entries()) {
  await tracker.log(step, Object.fromEntries(Object.entries(metrics).map(([tag, value]) => [tag, value(i)])));
}
await tracker.close();

const read = runPython('tensorboard_scalars.py', [join(path, 'tensorboard')]) as Record<string, [number, number][]>;
for (const [tag, value] of Object.entries(metrics)) {
  const found = read[tag] ?? [];
  // event files hold float32
  const wanted = steps.map((_, i) => Math.fround(value(i)));
  report(
    `TensorBoard's ${tag}`,
    largestDifference(
      found.map(([, scalar]) => scalar),
      wanted,
    ),
    0,
  );
  report(
    `TensorBoard's steps of ${tag}`,
    largestDifference(
      found.map(([step]) => step),
      steps,
    ),
    0,
  );
}
