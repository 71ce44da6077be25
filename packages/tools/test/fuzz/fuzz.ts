import { callTool } from '@tapo/tools';
import type { Tool } from '@tapo/tools';

export interface FuzzOptions {
  tool: Tool<string>;
  calls: number;
  /** makes the next program */
  program(): string;
  /** a program whose output would show a trace of an earlier one */
  canary: string;
  /** whether that is what the canary prints in a fresh interpreter */
  isFresh(observation: string): boolean;
  /** parts of observations by which calls are counted; others count as `exception` */
  kinds: RegExp;
  /** the number of programs so far, and what has been found */
  onProgress?(calls: number, found: Found): void;
}

export interface Found {
  problems: string[];
  /** calls by how they ended */
  counts: Record<string, number>;
  slowestMs: number;
}

// far beyond every limit of the sandboxes: who answers later has not kept it
const LIMIT_MS = 60_000;

/** Calls a code tool with programs of a grammar, one after the other, and looks after each for traces of it. */
export async function fuzz(options: FuzzOptions): Promise<Found> {
  const { tool, calls, program, canary, isFresh, kinds, onProgress } = options;
  const run = (source: string) => callTool(tool as Tool, source, { timeoutMs: LIMIT_MS, rolloutId: 'fuzz' });
  const found: Found = { problems: [], counts: {}, slowestMs: 0 };
  for (let index = 0; index < calls; index += 1) {
    const source = program();
    const { observation, status, durationMs } = await run(source);
    const kind = status === 'ok' ? 'ok' : (kinds.exec(observation)?.[0] ?? 'exception');
    found.counts[kind] = (found.counts[kind] ?? 0) + 1;
    found.slowestMs = Math.max(found.slowestMs, durationMs);
    if (/did not answer/.test(observation)) found.problems.push(`call ${index} outlived its limit:\n${source}`);
    let seen = await run(canary);
    // on a busy machine any program may run out of time: that is no trace of the one before
    for (let retry = 0; retry < 5 && seen.status === 'timeout'; retry += 1) seen = await run(canary);
    if (!isFresh(seen.observation)) found.problems.push(`after call ${index}: ${seen.observation}\n${source}`);
    onProgress?.(index + 1, found);
  }
  return found;
}
