import type { SourceSummary } from '../metrics/summarize.js';
import { markdownCell, markdownFence } from './escape.js';
import { formatEstimate, formatNumber, words } from './numbers.js';
import type { ReportInput } from './report-input.js';
import { leadSentence } from './report-text.js';

/** The report for terminals, issues and pull requests: tables and trajectories, no charts. */
export function renderMarkdown(report: ReportInput & { title: string }): string {
  const { title, summary = {}, before, after, trajectories = [] } = report;
  const facts = Object.entries(summary).map(([key, value]) => {
    const text = typeof value === 'number' ? formatNumber(value) : value;
    return `- ${markdownCell(words(key))}: ${markdownCell(text)}`;
  });
  const read = trajectories.map(({ question, source, targets, accurate, answer, segments, label }) => {
    const heading = [accurate ? 'right' : 'wrong', source, ...(label === undefined ? [] : [label])]
      .map(markdownCell)
      .join(' · ');
    const verdict = `Answer: ${answer === null ? 'none' : markdownCell(answer)}. Wanted: ${targets.map(markdownCell).join(' or ')}.`;
    const text = segments.map((segment) => segment.text).join('');
    return `### ${markdownCell(question)}\n\n${heading}\n\n${markdownFence(text)}\n\n${verdict}`;
  });
  const parts = [
    `# ${markdownCell(title)}`,
    leadSentence(report),
    facts.join('\n'),
    before || after ? sourceTable(report) : '',
    read.length > 0 ? `## Trajectories\n\n${read.join('\n\n')}` : '',
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function sourceTable({ before, after }: ReportInput): string {
  const sources = [...new Set([before, after].flatMap((summary) => Object.keys(summary?.bySource ?? {})))].toSorted();
  const columns = [...(before ? [['before', before] as const] : []), ...(after ? [['after', after] as const] : [])];
  const row = (name: string, of: (summary: NonNullable<typeof before>) => SourceSummary | undefined): string => {
    const cells = columns.map(([, summary]) => of(summary));
    const accuracy = cells.map((cell) => (cell ? formatEstimate(cell.accuracy, 'percent') : ''));
    const calls = cells.map((cell) => (cell ? formatNumber(cell.callsPerProblem.value) : ''));
    const format = cells.map((cell) => (cell ? formatNumber(cell.formatRate, 'percent') : ''));
    return `| ${[markdownCell(name), ...accuracy, ...calls, ...format].join(' | ')} |`;
  };
  const header = ['accuracy', 'calls per problem', 'format'].flatMap((what) =>
    columns.map(([name]) => `${what} ${name}`),
  );
  return [
    `| source | ${header.join(' | ')} |`,
    `| --- |${header.map(() => ' ---: |').join('')}`,
    ...sources.map((source) => row(source, (summary) => summary.bySource[source])),
    row('all', (summary) => summary),
  ].join('\n');
}
