import type { RunSummary } from './protocol.js';
import type { RunList } from './run-list.js';
import { tokenColumns } from './token-columns.js';
import { parseFilter } from './trajectory-filter.js';

/**
 * Answers a request of the page, by its path after `api/` and its query.
 *
 * @returns a JSON value; undefined when there is no such thing
 */
export async function answer(runs: RunList, path: string, query: URLSearchParams): Promise<unknown> {
  const [kind, id, part, ...rest] = path.split('/').map(decodeURIComponent);
  if (kind !== 'runs') return undefined;
  if (id === undefined) return runSummaries(runs);
  const run = runs.get(id);
  if (run === undefined) return undefined;
  const { trajectories } = run;

  switch (part) {
    case undefined:
      return run.summary();
    case 'metrics':
    case 'evaluations':
      await run[part].refresh();
      return run[part].page(Number(query.get('from') ?? 0), Number(query.get('generation') ?? -1));
    case 'find': {
      const before = /^(\d+):(\d+)$/.exec(query.get('from') ?? '');
      return trajectories.find(parseFilter(query), {
        from: before && { step: Number(before[1]), line: Number(before[2]) },
        oldestFirst: query.get('order') === 'oldest',
        limit: Math.min(1000, Number(query.get('limit') ?? 200)),
      });
    }
    case 'steps':
      return answerStep();
    default:
      return undefined;
  }

  async function answerStep(): Promise<unknown> {
    if (run === undefined) return undefined;
    const [stepText, view] = rest;
    if (stepText === undefined) return { steps: await trajectories.steps() };
    const step = Number(stepText);
    if (view === undefined) return { rows: await trajectories.rows(step) };
    if (view === 'trajectories') {
      const lines = (query.get('lines') ?? '').split(',').map(Number);
      return { trajectories: await trajectories.details(step, lines) };
    }
    if (view !== 'tokens') return undefined;
    const record = await trajectories.record(step, Number(query.get('line')));
    const parts = { config: await run.config(), tokenBytes: await run.tokenBytes() };
    return record && tokenColumns(record, parts);
  }
}

export async function runSummaries(runs: RunList): Promise<{ runs: RunSummary[] }> {
  const found = await runs.refresh();
  const summaries: RunSummary[] = [];
  for (const run of found) summaries.push(await run.summary());
  return { runs: summaries };
}
