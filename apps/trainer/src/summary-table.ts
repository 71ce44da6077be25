import type { SourceSummary, Summary } from '@tapo/eval';
import { printable } from './view/visible-text.js';

/** A summary as a few aligned lines: overall, then by source. */
export function describeSummary(summary: Summary): string {
  const header = ['', 'problems', 'accuracy', 'format', 'calls'];
  const rows = parts(summary).map(([name, { problems, accuracy, formatRate, callsPerProblem }]) => [
    printable(name),
    String(problems),
    `${percent(accuracy.value)} (${percent(accuracy.low)}–${percent(accuracy.high)})`,
    percent(formatRate),
    callsPerProblem.value.toFixed(2),
  ]);
  return align([header, ...rows]);
}

/** Two summaries of the same problems side by side; `sources: false` leaves the overall line only. */
export function compareSummaries(before: Summary, after: Summary, { sources = true } = {}): string {
  const header = ['', 'problems', 'accuracy', 'format', 'calls per problem'];
  const rows = parts(after).map(([name, now]) => {
    const then: SourceSummary | undefined = name === 'all' ? before : before.bySource[name];
    const change = (of: (summary: SourceSummary) => string) => `${then ? of(then) : '–'} → ${of(now)}`;
    return [
      printable(name),
      String(now.problems),
      change(({ accuracy }) => percent(accuracy.value)),
      change(({ formatRate }) => percent(formatRate)),
      change(({ callsPerProblem }) => callsPerProblem.value.toFixed(2)),
    ];
  });
  return align([header, ...(sources ? rows : rows.slice(-1))]);
}

function parts(summary: Summary): [string, SourceSummary][] {
  return [...Object.entries(summary.bySource), ['all', summary]];
}

function align(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((row) => `  ${row.map(pad).join('  ')}`).join('\n');
}

/** A share as whole percent. */
function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}
