/** What a pool needs of its workers. */
export interface PoolWorker {
  /** false as soon as it can take no more calls, before it has exited */
  readonly alive: boolean;
  kill(): void;
  readonly exited: Promise<void>;
}

export interface PoolOptions<Worker extends PoolWorker> {
  /** calls at the same time */
  size: number;
  /** workers kept ready beyond that, so that a killed one is replaced at once */
  spares: number;
  /** starts at the same time when calls need them; else half as many, so that those that run are not slowed down */
  parallelStarts?: number;
  /** the signal fires when the pool is closed */
  start: (signal: AbortSignal) => Promise<Worker>;
}

export interface UseOptions {
  signal?: AbortSignal;
  /** has cost a worker before: goes after all others and leaves one worker and one turn to them, so that they need not wait for a new one */
  suspect?: boolean;
}

export interface Pool<Worker extends PoolWorker> {
  /**
   * Waits for a turn and a worker, lends the worker to `use`. A worker that died or was killed meanwhile is replaced.
   * @throws the signal's reason while waiting; an Error when no worker can be started, or the pool is closed
   */
  use<Result>(use: (worker: Worker) => Promise<Result>, options?: UseOptions): Promise<Result>;
  /** workers started so far, ready now and being started */
  readonly stats: { started: number; idle: number; starting: number; busy: number };
  close(): Promise<void>;
}

const MAX_FAILED_STARTS = 3;

/** A pool that never shrinks: `size + spares` processes are alive or on their way, whatever happens to any of them. */
export function createPool<Worker extends PoolWorker>({
  size,
  spares,
  parallelStarts = Infinity,
  start,
}: PoolOptions<Worker>): Pool<Worker> {
  const idle: Worker[] = [];
  const all = new Set<Worker>();
  const waiting: { suspect: boolean; take: (worker: Worker) => void; fail: (error: Error) => void }[] = [];
  let busySuspects = 0;
  const ends = new Set<Promise<unknown>>();
  let [started, starting, busy, failures] = [0, 0, 0, 0];
  const closing = new AbortController();

  function fill(): void {
    if (closing.signal.aborted || failures >= MAX_FAILED_STARTS) return;
    // suspects wait until the starts leave the processor to others
    const needed = all.size === 0 || waiting.some(({ suspect }) => !suspect);
    const atOnce = needed ? parallelStarts : Math.max(1, Math.floor(parallelStarts / 2));
    const missing = size + spares - all.size;
    while (starting < Math.min(missing, atOnce)) {
      starting += 1;
      const attempt = start(closing.signal)
        .then(onStarted, onFailed)
        .finally(() => ends.delete(attempt));
      ends.add(attempt);
    }
  }
  function onStarted(worker: Worker): void {
    starting -= 1;
    started += 1;
    failures = 0;
    all.add(worker);
    const end = worker.exited.then(() => {
      ends.delete(end);
      retire(worker);
    });
    ends.add(end);
    if (closing.signal.aborted) worker.kill();
    else idle.unshift(worker); // last in line: it is colder than those that have served
    serve();
    fill();
  }
  function retire(worker: Worker): void {
    all.delete(worker);
    const index = idle.indexOf(worker);
    if (index >= 0) idle.splice(index, 1);
    fill();
  }
  function onFailed(error: Error): void {
    starting -= 1;
    failures += 1;
    if (failures < MAX_FAILED_STARTS) fill();
    else if (all.size === 0) for (const { fail } of waiting.splice(0)) fail(error);
    else serve();
  }
  function serve(): void {
    while (busy < size && idle.length > 0) {
      let next = waiting.findIndex(({ suspect }) => !suspect);
      // the last worker is left to others, but for where there can be no second one
      const alone = all.size === 1 && (size + spares === 1 || starting === 0);
      const spared = alone || (idle.length > 1 && busySuspects < Math.max(1, size - 1));
      if (next < 0 && spared) next = 0;
      const [entry] = next < 0 ? [] : waiting.splice(next, 1);
      if (!entry) return;
      busy += 1;
      if (entry.suspect) busySuspects += 1;
      // the one used last has its code compiled and its pages in the cache: not for one that may kill it
      entry.take((entry.suspect ? idle.shift() : idle.pop())!);
    }
  }
  function release(worker: Worker, suspect: boolean): void {
    busy -= 1;
    if (suspect) busySuspects -= 1;
    if (worker.alive) idle.push(worker);
    else retire(worker);
    serve();
  }

  fill();
  return {
    async use(use, { signal, suspect = false } = {}) {
      signal?.throwIfAborted();
      if (closing.signal.aborted) throw new Error('the pool is closed');
      const worker = await new Promise<Worker>((resolve, reject) => {
        const entry = { suspect, take, fail };
        const onAbort = () => {
          waiting.splice(waiting.indexOf(entry), 1);
          reject(signal?.reason as Error);
        };
        function take(taken: Worker): void {
          signal?.removeEventListener('abort', onAbort);
          resolve(taken);
        }
        function fail(error: Error): void {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        }
        signal?.addEventListener('abort', onAbort, { once: true });
        waiting.push(entry);
        if (starting === 0) failures = 0; // what made the starts fail may have passed
        fill();
        serve();
      });
      try {
        return await use(worker);
      } finally {
        release(worker, suspect);
      }
    },
    get stats() {
      return { started, idle: idle.length, starting, busy };
    },
    async close() {
      closing.abort();
      for (const { fail } of waiting.splice(0)) fail(new Error('the pool is closed'));
      for (const worker of all) worker.kill();
      while (ends.size > 0) await Promise.all(ends);
    },
  };
}
