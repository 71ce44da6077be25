import { open, stat } from 'node:fs/promises';
import { lineSpans, parseObject } from './json-lines.js';
import type { MetricsLine, MetricsPage } from './protocol.js';

/** metrics.jsonl of a run that may be going on. What is kept of it does not grow with its lines, but for a number each. */
export interface MetricsFile {
  /** reads what was appended; @returns whether anything changed */
  refresh(): Promise<boolean>;
  /** whole lines from a position on */
  page(from: number, generation: number): Promise<MetricsPage>;
  readonly latest: MetricsLine | undefined;
  readonly rewards: readonly number[];
  readonly unreadableLines: number;
  readonly updatedMs: number | undefined;
}

/** Follows a file that grows line by line. A resumed run replaces it, which is noticed and starts a new generation. */
export function followMetrics(file: string): MetricsFile {
  // another server's numbers are others: a page outlives a server
  let generation = Date.now();
  let inode: number | undefined;
  let end = 0;
  /** the last line read, with its line feed */
  let last: Buffer | undefined;
  let latest: MetricsLine | undefined;
  let rewards: number[] = [];
  let unreadableLines = 0;
  let updatedMs: number | undefined;
  let refreshing: Promise<boolean> | undefined;

  function restart(): void {
    generation++;
    end = 0;
    last = undefined;
    latest = undefined;
    rewards = [];
    unreadableLines = 0;
  }

  async function refresh(): Promise<boolean> {
    const found = await stat(file).catch(() => undefined);
    if (found === undefined) return false;
    if (inode !== found.ino || found.size < end) restart();
    if (found.size <= end && found.mtimeMs === updatedMs && inode === found.ino) return false;
    // a file system may give a new file the number of an old one: then the last line read is another one
    if (last !== undefined && !(await readFrom(file, end - last.length, end)).equals(last)) restart();
    inode = found.ino;
    updatedMs = found.mtimeMs;
    if (found.size <= end) return false;
    const buffer = await readFrom(file, end, found.size);
    const spans = lineSpans(buffer);
    for (const { offset, length } of spans) {
      const line = parseObject(buffer.toString('utf8', offset, offset + length)) as MetricsLine | undefined;
      if (typeof line?.step !== 'number') unreadableLines++;
      else {
        latest = line;
        rewards.push(typeof line['reward'] === 'number' ? line['reward'] : NaN);
      }
    }
    const whole = buffer.subarray(0, buffer.lastIndexOf(10) + 1);
    if (whole.length > 0) last = Buffer.from(whole.subarray(whole.lastIndexOf(10, -2) + 1));
    end += whole.length;
    return spans.length > 0;
  }

  return {
    refresh: () => (refreshing ??= refresh().finally(() => (refreshing = undefined))),
    async page(from, known) {
      const start = known === generation && from <= end ? from : 0;
      return { text: (await readFrom(file, start, end)).toString('utf8'), next: end, generation };
    },
    get latest() {
      return latest;
    },
    get rewards() {
      return rewards;
    },
    get unreadableLines() {
      return unreadableLines;
    },
    get updatedMs() {
      return updatedMs;
    },
  };
}

async function readFrom(file: string, start: number, end: number): Promise<Buffer> {
  if (end <= start) return Buffer.alloc(0);
  const handle = await open(file);
  try {
    const buffer = Buffer.alloc(end - start);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
