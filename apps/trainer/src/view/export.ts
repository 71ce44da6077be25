import { createHash } from 'node:crypto';
import type { RunSummary } from './protocol.js';
import { answer, runSummaries } from './routes.js';
import { listRuns } from './run-list.js';
import type { Assets } from './server.js';

export interface ExportPageOptions {
  /** steps of each run whose trajectories are put in, spread evenly, the first and the last among them */
  steps?: number;
  /** token columns are put in as long as the answers so far are smaller */
  tokenBytes?: number;
}

export interface ExportedPage {
  html: string;
  /** what is in it and what was left out */
  note: string;
}

/** The page with the answers to its requests inside: one file that needs no server and asks for nothing. */
export async function exportPage(
  places: readonly string[],
  assets: Assets,
  { steps = 20, tokenBytes = 20e6 }: ExportPageOptions = {},
): Promise<ExportedPage> {
  const list = listRuns(places);
  const answers: Record<string, unknown> = {};
  let bytes = 0;
  let left = 0;
  let withTokens = true;
  const put = async (path: string): Promise<unknown> => {
    const [name = '', query] = path.split('?');
    answers[path] = await answer(list, name, new URLSearchParams(query));
    bytes += JSON.stringify(answers[path]).length;
    return answers[path];
  };

  const { runs } = await runSummaries(list);
  answers['runs'] = { runs: runs.map(shown) };
  for (const { id } of runs) {
    const run = `runs/${encodeURIComponent(id)}`;
    await put(`${run}/metrics`);
    await put(`${run}/evaluations`);
    const all = ((await answer(list, `${run}/steps`, new URLSearchParams())) as { steps: number[] }).steps;
    const chosen = spread(all, steps);
    left += all.length - chosen.length;
    answers[`${run}/steps`] = { steps: chosen };
    for (const step of chosen) {
      const { rows } = (await put(`${run}/steps/${step}`)) as { rows: { line: number; group: string }[] };
      for (const lines of groupLines(rows)) await put(`${run}/steps/${step}/trajectories?lines=${lines.join(',')}`);
      for (const { line } of rows) {
        withTokens &&= bytes < tokenBytes;
        if (withTokens) await put(`${run}/steps/${step}/tokens?line=${line}`);
      }
    }
  }
  const note = [
    `${runs.length} run${runs.length === 1 ? '' : 's'}`,
    ...(left > 0 ? [`trajectories of ${left} steps left out (--steps)`] : []),
    ...(withTokens ? [] : ['token views of some trajectories left out']),
  ].join(', ');
  return { html: page(assets, answers), note };
}

/** A path on the exporting machine is nobody's business. */
function shown({ path, ...run }: RunSummary): RunSummary {
  return { ...run, path: path.slice(path.lastIndexOf('/') + 1) };
}

function groupLines(rows: readonly { line: number; group: string }[]): number[][] {
  const groups = new Map<string, number[]>();
  for (const { line, group } of rows) groups.set(group, [...(groups.get(group) ?? []), line]);
  return [...groups.values()];
}

function spread(steps: readonly number[], most: number): number[] {
  if (steps.length <= most) return [...steps];
  if (most < 2) return steps.slice(-most || steps.length);
  return Array.from({ length: most }, (_, i) => steps[Math.round((i * (steps.length - 1)) / (most - 1))] as number);
}

function page(assets: Assets, answers: Record<string, unknown>): string {
  // a script ends at the first "</script", wherever it stands
  const script = (assets.get('dashboard.js') ?? '').replaceAll(/<(?=\/script|!--)/gi, '\\x3c');
  const style = assets.get('dashboard.css') ?? '';
  const icon = /<link rel="icon"[^>]*>/.exec(assets.get('index.html') ?? '')?.[0] ?? '';
  const data = JSON.stringify(answers).replaceAll('<', '\\u003c');
  const policy = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="color-scheme" content="light dark">${icon}<title>TAPO</title><style>${style}</style></head>
<body><div id="app"></div><script type="application/json" id="answers">${data}</script>
<script type="module">${script}</script></body></html>
`;
}

function hash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
