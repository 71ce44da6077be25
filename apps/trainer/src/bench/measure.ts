/** What one phase took. Seconds are of the fastest of the repeats after a first one, which compiles. */
export interface Phase {
  seconds: number;
  /** highest resident memory of the process, sampled every 10 ms */
  peakBytes: number;
}

export async function measure(action: () => Promise<unknown>, repeats: number): Promise<Phase> {
  let [seconds, peakBytes] = [Infinity, 0];
  const look = () => (peakBytes = Math.max(peakBytes, process.memoryUsage.rss()));
  // The engine computes in its own threads, so this one is free to look.
  const timer = setInterval(look, 10);
  try {
    for (let repeat = 0; repeat <= repeats; repeat++) {
      const start = performance.now();
      await action();
      look();
      if (repeat > 0 || repeats === 0) seconds = Math.min(seconds, (performance.now() - start) / 1000);
    }
  } finally {
    clearInterval(timer);
  }
  return { seconds, peakBytes };
}
