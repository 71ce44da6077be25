import { bestAtK, majAtK, meanAtK, passAtK } from './at-k.js';
import { bootstrapMean } from './bootstrap.js';
import type { BootstrapOptions, Estimate } from './bootstrap.js';

/** One judged rollout. */
export interface EvaluationRecord {
  problemId: string;
  /** label to count under; mostly the data source */
  source: string;
  /** the scorer's verdict: −1 for a wrong format, else 0 to 1 */
  score: number;
  accurate: boolean;
  wellFormed: boolean;
  /** the answer that was scored; null if there was none */
  answer: string | null;
  turns: readonly { readonly calls: readonly { tool: string; status: string }[] }[];
}

/** What is told of a set of rollouts, whole or of one source. */
export interface SourceSummary {
  problems: number;
  rollouts: number;
  /** share of right rollouts, mean@k; interval over problems */
  accuracy: Estimate;
  score: Estimate;
  formatRate: number;
  /** tool calls per rollout */
  callsPerProblem: Estimate;
  callsByTool: Record<string, number>;
  /** share of calls that did not end `ok`; 0 without calls */
  toolErrorRate: number;
}

export interface Summary extends SourceSummary {
  /** by k = 1, 2, 4, … and the least number of rollouts of a problem */
  bestAtK: Record<number, Estimate>;
  majAtK: Record<number, Estimate>;
  passAtK: Record<number, Estimate>;
  bySource: Record<string, SourceSummary>;
}

/**
 * Accuracy, format and tool use of judged rollouts, grouped by problem, overall and by source.
 *
 * @throws if there are no records
 */
export function summarize(records: readonly EvaluationRecord[], options: BootstrapOptions = {}): Summary {
  if (records.length === 0) throw new Error('summarize got no records: nothing was evaluated.');
  const problems = groupBy(records, (record) => record.problemId);
  const leastRollouts = Math.min(...problems.map(([, rollouts]) => rollouts.length));
  const counts = powersOfTwo(leastRollouts);
  const atK = (valueOf: (rollouts: EvaluationRecord[], k: number) => number): Record<number, Estimate> =>
    Object.fromEntries(
      counts.map((k) => [
        k,
        bootstrapMean(
          problems.map(([, rollouts]) => valueOf(rollouts, k)),
          options,
        ),
      ]),
    );
  return {
    ...summarizeSource(records, options),
    bestAtK: atK((rollouts, k) =>
      bestAtK(
        rollouts.map((rollout) => rollout.score),
        k,
      ),
    ),
    majAtK: atK((rollouts, k) =>
      majAtK(
        rollouts.map(({ answer, accurate }) => ({ answer, value: Number(accurate) })),
        k,
      ),
    ),
    passAtK: atK((rollouts, k) => passAtK(rollouts.length, rollouts.filter((rollout) => rollout.accurate).length, k)),
    bySource: Object.fromEntries(
      groupBy(records, (record) => record.source)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([source, members]) => [source, summarizeSource(members, options)]),
    ),
  };
}

function summarizeSource(records: readonly EvaluationRecord[], options: BootstrapOptions): SourceSummary {
  const problems = groupBy(records, (record) => record.problemId);
  const estimate = (valueOf: (record: EvaluationRecord) => number): Estimate =>
    bootstrapMean(
      problems.map(([, rollouts]) => meanAtK(rollouts.map(valueOf))),
      options,
    );
  const calls = records.flatMap(callsOf);
  const failed = calls.filter((call) => call.status !== 'ok').length;
  return {
    problems: problems.length,
    rollouts: records.length,
    accuracy: estimate((record) => Number(record.accurate)),
    score: estimate((record) => record.score),
    formatRate: records.filter((record) => record.wellFormed).length / records.length,
    callsPerProblem: estimate((record) => callsOf(record).length),
    callsByTool: Object.fromEntries(
      groupBy(calls, (call) => call.tool)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([tool, ofTool]) => [tool, ofTool.length / records.length]),
    ),
    toolErrorRate: calls.length === 0 ? 0 : failed / calls.length,
  };
}

function callsOf(record: EvaluationRecord): { tool: string; status: string }[] {
  return record.turns.flatMap((turn) => turn.calls);
}

function powersOfTwo(most: number): number[] {
  const powers: number[] = [];
  for (let k = 1; k < most; k *= 2) powers.push(k);
  return [...powers, most];
}

/** in order of first appearance */
function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return [...groups];
}
