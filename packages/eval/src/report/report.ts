import { renderHtml } from './html.js';
import { renderMarkdown } from './markdown.js';
import type { ReportInput } from './report-input.js';

export interface Report {
  json: string;
  markdown: string;
  /** one self-contained page: inline SVG, no script, no external request, model text escaped, light and dark */
  html: string;
}

/** Renders a run or an evaluation for machines, for terminals and for reading. Writes nothing. */
export function renderReport(input: ReportInput): Report {
  const report = { title: 'TAPO report', ...input };
  return {
    json: `${JSON.stringify(report, null, 2)}\n`,
    markdown: renderMarkdown(report),
    html: renderHtml(report),
  };
}
