/** What one phase took. */
export interface Phase {
  /** of the fastest run; the first one, which compiles, counts only where there is no other */
  seconds: number;
  /** highest resident memory of the process meanwhile, sampled every 10 ms */
  peakBytes: number;
  /** runs after the first */
  repeats: number;
}

export interface MeasureOptions {
  /** at most so many runs after the first */
  repeats: number;
  /** no further run is begun after that long */
  budgetSeconds: number;
}

/** @param action may return the seconds that count, where it does more than what is measured */
export async function measure(
  action: () => Promise<number | void>,
  { repeats, budgetSeconds }: MeasureOptions,
): Promise<Phase> {
  let [seconds, peakBytes, repeated] = [Infinity, 0, 0];
  const look = () => (peakBytes = Math.max(peakBytes, process.memoryUsage.rss()));
  // The engine computes in its own threads, so this one is free to look.
  const timer = setInterval(look, 10);
  const run = async () => {
    const start = performance.now();
    const counted = await action();
    look();
    return counted ?? (performance.now() - start) / 1000;
  };
  const begun = performance.now();
  try {
    const first = await run();
    for (; repeated < repeats && performance.now() - begun < 1000 * budgetSeconds; repeated++) {
      seconds = Math.min(seconds, await run());
    }
    return { seconds: repeated === 0 ? first : seconds, peakBytes, repeats: repeated };
  } finally {
    clearInterval(timer);
  }
}
