import type { StepMetrics } from '../step-metrics.js';

/** Where metrics go beside `metrics.jsonl`. */
export interface Tracker {
  readonly name: string;
  /** one step's scalars, by name: `reward`, `accuracyBySource/nq` */
  log(step: number, scalars: Readonly<Record<string, number>>): Promise<void> | void;
  close(): Promise<void> | void;
}

/** What a tracker is told of the run it follows. */
export interface TrackedRun {
  /** run directory */
  path: string;
  name: string;
  config: unknown;
}

/** Logs metrics to every tracker. Never throws, never waits for a slow one. */
export interface Trackers {
  log(step: number, metrics: StepMetrics): void;
  /** gives what is under way some time to arrive */
  close(): Promise<void>;
}

export interface TrackersOptions {
  /** a tracker that fails is reported once and left out from then on */
  warn?: (message: string) => void;
  /** how long closing waits for each tracker */
  closeTimeoutMs?: number;
  /** steps that wait for a slow tracker before it is given up */
  maxWaiting?: number;
}

/** Trackers that fail softly: training goes on whatever becomes of them. */
export function softTrackers(
  trackers: readonly Tracker[],
  { warn = () => {}, closeTimeoutMs = 10_000, maxWaiting = 1000 }: TrackersOptions = {},
): Trackers {
  const lanes = trackers.map((tracker) => ({ tracker, last: Promise.resolve(), waiting: 0, failed: false }));
  type Lane = (typeof lanes)[number];

  function fail(lane: Lane, error: unknown): void {
    if (lane.failed) return;
    lane.failed = true;
    const message = error instanceof Error ? error.message : String(error);
    warn(`${lane.tracker.name}: ${message}; the run goes on without it (metrics.jsonl has everything)`);
  }

  return {
    log(step, metrics) {
      const scalars = flatScalars(metrics);
      for (const lane of lanes) {
        if (lane.failed) continue;
        if (lane.waiting >= maxWaiting) fail(lane, new Error(`${lane.waiting} steps behind`));
        lane.waiting++;
        lane.last = lane.last
          .then(() => (lane.failed ? undefined : lane.tracker.log(step, scalars)))
          .catch((error: unknown) => fail(lane, error))
          .finally(() => lane.waiting--);
      }
    },
    async close() {
      const closing = lanes.map(async (lane) => {
        await lane.last;
        await lane.tracker.close();
      });
      await Promise.all(
        closing.map((closed, i) =>
          inTime(closed, closeTimeoutMs).catch((error: unknown) => fail(lanes[i] as Lane, error)),
        ),
      );
    },
  };
}

async function inTime(work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not finish within ${timeoutMs / 1000} s`)), timeoutMs);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** `{reward: 1, callsByTool: {search: 2}}` → `{reward: 1, 'callsByTool/search': 2}`, without the step. */
export function flatScalars({ step: _step, ...metrics }: StepMetrics): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([key, value]): [string, number][] =>
      typeof value === 'number'
        ? [[key, value]]
        : Object.entries(value).map(([part, number]): [string, number] => [`${key}/${part}`, number]),
    ),
  );
}
