/** Contestants measured in turns within one run, so that whatever else the machine does strikes all of them alike. */
import { setTimeout as pause } from 'node:timers/promises';

export interface Contestant {
  name: string;
  /** milliseconds of one round, where the contestant takes the time itself; else the call is timed */
  run(): Promise<number | void>;
}

/** Thread pools spin for a while after their work; nobody should compute beside another's pool. */
const SETTLE_MS = 300;

/** Median milliseconds by name. A first round, which compiles and warms up, does not count. */
export async function alternate(contestants: readonly Contestant[], rounds: number): Promise<Record<string, number>> {
  const times: Record<string, number[]> = Object.fromEntries(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const { name, run } of contestants) {
      await pause(SETTLE_MS);
      const start = performance.now();
      const own = await run();
      if (round > 0) times[name]!.push(own ?? performance.now() - start);
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
