import { escapeHtml } from './escape.js';
import { formatEstimate, formatNumber, words } from './numbers.js';
import type { ReportInput } from './report-input.js';
import type { Summary } from '../metrics/summarize.js';
import { leadSentence } from './report-text.js';
import { sourceTable } from './source-chart.js';
import { STYLE } from './style.js';
import { trainingCharts } from './training-charts.js';
import { trajectoryView } from './trajectory-view.js';

/** One self-contained page: no script, no request (the policy in its head forbids both), readable without styles. */
export function renderHtml(report: ReportInput & { title: string }): string {
  const { title, summary = {}, metrics = [], before, after, trajectories = [], config } = report;
  const charts = trainingCharts(metrics);
  const sections = [
    section('', before || after ? figures(report) : ''),
    section('By source', before || after ? sourceTable(before, after) : ''),
    section('Several attempts', attempts(report)),
    section('Training', charts.main && `<div class="charts">${charts.main}</div>`),
    charts.more &&
      `<details class="fold"><summary>More metrics</summary><div class="charts">${charts.more}</div></details>`,
    section(
      'Trajectories',
      trajectories.map((trajectory, i) => trajectoryView(trajectory, { open: i < 2 })).join('\n'),
    ),
    section(
      'Configuration',
      config === undefined ? '' : `<pre class="config">${escapeHtml(JSON.stringify(config, null, 2))}</pre>`,
    ),
  ];
  const facts = Object.entries(summary).map(([key, value]) => {
    const text = typeof value === 'number' ? formatNumber(value) : value;
    return `<span>${escapeHtml(words(key))} <b>${escapeHtml(text)}</b></span>`;
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body><main><header><h1>${escapeHtml(title)}</h1><p class="lead">${escapeHtml(leadSentence(report))}</p>
<p class="facts">${facts.join('\n')}</p></header>
${sections.filter((html) => html !== '').join('\n')}
</main></body></html>
`;
}

function section(heading: string, body: string): string {
  return body && `<section>${heading && `<h2>${heading}</h2>`}\n${body}</section>`;
}

function figures({ before, after }: ReportInput): string {
  const figure = (heading: string, was: string | undefined, is: string | undefined, note: string): string =>
    `<div class="figure"><h3>${heading}</h3><div class="value">${was !== undefined && is !== undefined ? `<span class="was">${was} →</span> ` : ''}${is ?? was}</div><div class="note">${note}</div></div>`;
  const latest = after ?? before;
  if (!latest) return '';
  const value = (of: (summary: Summary) => string): [string | undefined, string | undefined] => [
    before && of(before),
    after && of(after),
  ];
  const { low, high } = latest.accuracy;
  const tools = Object.entries(latest.callsByTool).map(([tool, calls]) => `${escapeHtml(tool)} ${formatNumber(calls)}`);
  return `<div class="figures">
${figure('Accuracy', ...value((summary) => formatNumber(summary.accuracy.value, 'percent')), `95% interval ${formatNumber(low, 'percent').replace('%', '')}–${formatNumber(high, 'percent')}`)}
${figure('Right format', ...value((summary) => formatNumber(summary.formatRate, 'percent')), `${latest.rollouts} rollouts of ${latest.problems} problems`)}
${figure('Tool calls per problem', ...value((summary) => formatNumber(summary.callsPerProblem.value)), tools.join(', ') || 'no calls')}
${figure('Failed calls', ...value((summary) => formatNumber(summary.toolErrorRate, 'percent')), 'errors, time-outs and refusals')}
</div>`;
}

/** pass@k and its kin, when problems were tried more than once */
function attempts({ before, after }: ReportInput): string {
  const rows = [
    ['before', before],
    ['after', after],
  ] as const;
  const body = rows.flatMap(([name, summary]) =>
    Object.keys(summary?.passAtK ?? {}).map((key) => {
      const k = Number(key);
      const cells = [summary?.passAtK[k], summary?.majAtK[k]].map(
        (estimate) => estimate && formatEstimate(estimate, 'percent'),
      );
      const best = summary?.bestAtK[k];
      return `<tr><th scope="row">${name}</th><td class="number">${k}</td>${[...cells, best && formatEstimate(best)].map((cell) => `<td class="number">${cell}</td>`).join('')}</tr>`;
    }),
  );
  const tried = rows.some(([, summary]) => Object.keys(summary?.passAtK ?? {}).length > 1);
  if (!tried) return '';
  return `<div class="scroll"><table><thead><tr><th></th><th class="number">k</th><th class="number">pass@k</th><th class="number">maj@k</th><th class="number">best@k (score)</th></tr></thead><tbody>${body.join('\n')}</tbody></table></div>`;
}
