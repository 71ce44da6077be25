import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from './cli/command.js';

export interface RecoveryOptions {
  /** how often in a row, without a step done in between */
  recoveries: number;
  /** the farthest step done so far; undefined until training has begun */
  reached: () => number | undefined;
  /** what the user types to go on by hand */
  resumeCommand: string;
  /** before the first new attempt; longer before later ones */
  pauseMs?: number;
  warn: (message: string) => void;
}

/**
 * Runs `attempt`; when its remote engine is lost in the middle, runs it again from the newest checkpoint. Steps after that
 * checkpoint are forgotten and done anew, so none counts twice. What fails before training begins is the user's to mend.
 *
 * @param attempt told whether to go on from the newest checkpoint
 */
export async function withRecovery<T>(
  attempt: (resume: boolean) => Promise<T>,
  resume: boolean,
  { recoveries, reached, resumeCommand, pauseMs = 5000, warn }: RecoveryOptions,
): Promise<T> {
  let best = -1;
  let failures = 0;
  for (let again = false; ; again = true) {
    try {
      return await attempt(resume || again);
    } catch (error) {
      const step = reached();
      if (error instanceof UsageError || step === undefined || recoveries === 0) throw error;
      failures = step > best ? 1 : failures + 1;
      best = Math.max(best, step);
      const { message } = error as Error;
      if (failures > recoveries) {
        const remedy = `see that the server runs, then go on with: ${resumeCommand}`;
        throw new UsageError(`the engine failed ${failures} times without a step in between: ${message}`, remedy, {
          cause: error,
        });
      }
      warn(`the engine failed: ${message}; going on from the newest checkpoint (try ${failures} of ${recoveries})`);
      await sleep(pauseMs * failures);
    }
  }
}
