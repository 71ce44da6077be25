import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TrajectoryRecord } from '../trajectory-records.js';
import { parseObject, parseWithoutTokens, readSpan } from './json-lines.js';
import type { FindPage, TrajectoryDetail, TrajectoryRow } from './protocol.js';
import { indexStep, interned, textAt } from './step-index.js';
import type { StepIndex } from './step-index.js';
import { requiredBits } from './trajectory-filter.js';
import type { TrajectoryFilter } from './trajectory-filter.js';
import { mentions, toDetail, toRow } from './trajectory-row.js';

/** The trajectories of a run. Files are read when asked for; what stays in memory is 30 bytes for each trajectory. */
export interface TrajectoryStore {
  /** steps with a trajectory file, ascending */
  steps(): Promise<number[]>;
  rows(step: number): Promise<TrajectoryRow[]>;
  details(step: number, lines: readonly number[]): Promise<TrajectoryDetail[]>;
  /** the whole record, token columns included; undefined when there is none */
  record(step: number, line: number): Promise<TrajectoryRecord | undefined>;
  find(filter: TrajectoryFilter, options?: FindOptions): Promise<FindPage>;
}

export interface FindOptions {
  /** where to go on; default: the newest step, or the oldest */
  from?: FindPage['next'];
  oldestFirst?: boolean;
  limit?: number;
  /** after so long what was found is returned, and where to go on */
  budgetMs?: number;
}

export function openTrajectories(run: string): TrajectoryStore {
  const directory = join(run, 'trajectories');
  const indices = new Map<number, StepIndex>();
  const problems = interned();
  const sources = interned();

  async function steps(): Promise<number[]> {
    const names = await readdir(directory).catch(() => []);
    return names
      .flatMap((name) => /^step-(\d+)\.jsonl$/.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => a - b);
  }

  async function indexOf(step: number): Promise<StepIndex | undefined> {
    const file = join(directory, `step-${step}.jsonl`);
    const index = await indexStep(file, step, { problems, sources, previous: indices.get(step) });
    if (index) indices.set(step, index);
    else indices.delete(step);
    return index;
  }

  /** records of some lines: the whole file at once, or a few lines each on its own */
  async function lightRecords({ file, lines, offsets, lengths }: StepIndex, positions: readonly number[]) {
    const spans = positions.map((p) => ({ offset: offsets[p] as number, length: lengths[p] as number }));
    const buffer = positions.length > 4 ? await readFile(file) : undefined;
    const texts = await Promise.all(spans.map((span) => (buffer ? textAt(buffer, span) : readSpan(file, span))));
    return texts.flatMap((text, i) => {
      const record = parseWithoutTokens(text);
      return record ? [{ record, line: lines[positions[i] as number] as number, text }] : [];
    });
  }

  async function matching(index: StepIndex, filter: TrajectoryFilter, positions: number[]): Promise<TrajectoryRow[]> {
    const needle = filter.text?.toLowerCase();
    const records = await lightRecords(index, positions);
    return records
      .filter(({ record }) => needle === undefined || mentions(record, needle))
      .map(({ record, line }) => toRow(record, index.step, line));
  }

  return {
    steps,
    async rows(step) {
      const index = await indexOf(step);
      if (!index) return [];
      const records = await lightRecords(index, [...index.lines.keys()]);
      return records.map(({ record, line }) => toRow(record, step, line));
    },
    async details(step, lines) {
      const index = await indexOf(step);
      if (!index) return [];
      const positions = lines.map((line) => index.lines.indexOf(line)).filter((position) => position >= 0);
      const records = await lightRecords(index, positions);
      return records.map(({ record, line }) => toDetail(record, step, line));
    },
    async record(step, line) {
      const index = await indexOf(step);
      const position = index?.lines.indexOf(line) ?? -1;
      if (!index || position < 0) return undefined;
      const span = { offset: index.offsets[position] as number, length: index.lengths[position] as number };
      return parseObject(await readSpan(index.file, span)) as TrajectoryRecord | undefined;
    },
    async find(filter, { from = null, oldestFirst = false, limit = 200, budgetMs = 400 } = {}) {
      const all = await steps();
      const ordered = oldestFirst ? all : all.toReversed();
      const bits = requiredBits(filter);
      const deadline = performance.now() + budgetMs;
      const rows: TrajectoryRow[] = [];
      let looked = 0;
      const isBefore = (step: number) => from !== null && (oldestFirst ? step < from.step : step > from.step);
      for (const step of ordered.filter((candidate) => !isBefore(candidate))) {
        const start = step === from?.step ? from.line : 0;
        if (performance.now() > deadline || rows.length >= limit) {
          return { rows, next: { step, line: start }, looked, steps: all.length };
        }
        const index = await indexOf(step);
        if (!index) continue;
        const source = filter.source === undefined ? undefined : sources.find(filter.source);
        const problem = filter.problemId === undefined ? undefined : problems.find(filter.problemId);
        const candidates = [...index.lines.keys()].filter(
          (i) =>
            (index.lines[i] as number) >= start &&
            ((index.flags[i] as number) & bits) === bits &&
            (filter.source === undefined || index.sources[i] === source) &&
            (filter.problemId === undefined || index.problems[i] === problem),
        );
        const wanted = candidates.slice(0, limit - rows.length);
        rows.push(...(await matching(index, filter, wanted)));
        const rest = candidates[wanted.length];
        if (rest !== undefined) {
          return { rows, next: { step, line: index.lines[rest] as number }, looked, steps: all.length };
        }
        looked++;
      }
      return { rows, next: null, looked, steps: all.length };
    },
  };
}
