import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { encodeEvent } from './event-proto.js';
import { tfRecord } from './tfrecord.js';
import type { TrackedRun, Tracker } from './tracker.js';

/**
 * Writes `tensorboard/events.out.tfevents.…` in the run directory: `tensorboard --logdir RUN`. A resumed run adds a file
 * of its own, as TensorBoard expects.
 */
export async function createTensorBoard({ path }: Pick<TrackedRun, 'path'>): Promise<Tracker> {
  const directory = join(path, 'tensorboard');
  await mkdir(directory, { recursive: true });
  const seconds = Math.floor(Date.now() / 1000);
  const file = join(directory, `events.out.tfevents.${String(seconds).padStart(10, '0')}.${hostname()}.${process.pid}`);
  const stream = createWriteStream(file, { flags: 'a' });
  // told by the next write, where it can be reported
  stream.on('error', () => {});

  const write = (event: Parameters<typeof encodeEvent>[0]) =>
    new Promise<void>((resolve, reject) => {
      stream.write(tfRecord(encodeEvent(event)), (error) => (error ? reject(error) : resolve()));
    });
  await write({ wallTime: Date.now() / 1000, fileVersion: 'brain.Event:2' });
  return {
    name: 'tensorboard',
    log: (step, scalars) => write({ wallTime: Date.now() / 1000, step, scalars }),
    close: () =>
      new Promise((resolve) => {
        stream.end(() => resolve());
      }),
  };
}
