import type { Estimate } from '../metrics/bootstrap.js';
import type { SourceSummary, Summary } from '../metrics/summarize.js';
import { escapeHtml } from './escape.js';
import { formatChange, formatNumber } from './numbers.js';

const SCALE = { left: 4, width: 252, height: 28 };

/** One row per source: accuracy before (ring) and after (dot) with intervals on a scale from 0 to 100 %, and calls. */
export function sourceTable(before: Summary | undefined, after: Summary | undefined): string {
  const sources = [...new Set([before, after].flatMap((summary) => Object.keys(summary?.bySource ?? {})))].toSorted();
  const compared = before !== undefined && after !== undefined;
  const row = (name: string, was: SourceSummary | undefined, is: SourceSummary | undefined, className = ''): string => {
    const now = is ?? was;
    return `<tr${className && ` class="${className}"`}><th scope="row">${escapeHtml(name)}</th><td class="number">${now?.problems ?? 0}</td>
<td class="scale">${accuracyScale(was?.accuracy, is?.accuracy)}</td>
<td class="number">${pair(was?.accuracy.value, is?.accuracy.value, 'percent')}</td>
${compared ? `<td class="number change">${was && is ? formatChange(was.accuracy.value, is.accuracy.value, 'percent') : ''}</td>` : ''}
<td class="number">${pair(was?.callsPerProblem.value, is?.callsPerProblem.value)}</td>
<td class="number">${pair(was?.formatRate, is?.formatRate, 'percent')}</td></tr>`;
  };
  return `<div class="scroll"><table class="sources"><thead><tr><th>source</th><th class="number">problems</th><th class="scale">accuracy, 0 to 100%</th>
<th class="number">accuracy</th>${compared ? '<th class="number">change</th>' : ''}<th class="number">calls per problem</th><th class="number">format</th></tr></thead>
<tbody>${sources.map((source) => row(source, before?.bySource[source], after?.bySource[source])).join('\n')}
${row('all', before, after, 'total')}</tbody></table></div>
<p class="note">${compared ? '<span class="ring"></span> before &ensp;<span class="disc"></span> after &ensp;' : ''}Lines are 95% bootstrap intervals over problems.</p>`;
}

function accuracyScale(before: Estimate | undefined, after: Estimate | undefined): string {
  const x = (share: number): string => (SCALE.left + share * SCALE.width).toFixed(1);
  const mark = (estimate: Estimate | undefined, y: number, className: string): string =>
    estimate === undefined || !Number.isFinite(estimate.value)
      ? ''
      : `<path class="interval ${className}" d="M${x(estimate.low)} ${y}H${x(estimate.high)}"/><circle class="${className}" cx="${x(estimate.value)}" cy="${y}" r="4"/>`;
  const both = before !== undefined && after !== undefined;
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => `M${x(share)} 2V${SCALE.height - 2}`).join('');
  const label = [
    before && `before ${formatNumber(before.value, 'percent')}`,
    after && `after ${formatNumber(after.value, 'percent')}`,
  ];
  return `<svg viewBox="0 0 ${SCALE.width + 2 * SCALE.left} ${SCALE.height}" role="img" aria-label="${label.filter(Boolean).join(', ')}">
<path class="axis" d="${grid}"/>${mark(before, both ? 9 : 14, 'was')}${mark(after, both ? 19 : 14, 'is')}</svg>`;
}

/** "41.0% → 82.5%", or the one there is */
function pair(before: number | undefined, after: number | undefined, format: 'percent' | 'plain' = 'plain'): string {
  const texts = [before, after].flatMap((value) => (value === undefined ? [] : [formatNumber(value, format)]));
  return texts.length === 2 ? `<span class="was">${texts[0]} →</span> ${texts[1]}` : (texts[0] ?? '');
}
