import { useSignal } from '@preact/signals';
import { printable } from '@tapo/trainer/view';
import type { RunSummary } from '@tapo/trainer/view';
import { Sparkline } from '../charts/sparkline.js';
import { runs } from '../data/runs.js';
import { metricAt } from '../data/series.js';
import { duration, formatNumber } from '../format.js';
import type { NumberFormat } from '../format.js';
import { href } from '../router.js';
import { RunProgress } from '../run-state.js';
import { VisibleText } from '../visible-text.js';

interface Column {
  title: string;
  key: string;
  format?: NumberFormat;
}

const columns: readonly Column[] = [
  { title: 'reward', key: 'reward' },
  { title: 'accuracy', key: 'accuracy', format: 'percent' },
  { title: 'format', key: 'formatRate', format: 'percent' },
  { title: 'calls', key: 'callsPerProblem' },
  { title: 'tokens', key: 'sampledTokens' },
  { title: 'entropy', key: 'entropy' },
  { title: 'KL', key: 'approxKl' },
  { title: 'tokens/s', key: 'sampledTokensPerSecond' },
  { title: 's/step', key: 'seconds.total', format: 'seconds' },
];

/** Every run with its newest numbers; several can be chosen to be compared. */
export function RunsPage() {
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  const sort = useSignal<{ key: string; down: boolean }>({ key: 'started', down: true });
  const all = runs.value ?? [];
  if (all.length === 0) return <NoRuns />;
  const { key, down } = sort.value;
  const sorted = all.toSorted((a, b) => (down ? -1 : 1) * compare(sortValue(a, key), sortValue(b, key)));
  const compared = chosen.value.size > 0 ? [...chosen.value].join(',') : undefined;

  const toggle = (id: string) => {
    const next = new Set(chosen.value);
    if (!next.delete(id)) next.add(id);
    chosen.value = next;
  };
  const heading = (title: string, by: string, cls = '') => (
    <th class={cls} aria-sort={key === by ? (down ? 'descending' : 'ascending') : 'none'}>
      <button type="button" onClick={() => (sort.value = { key: by, down: key === by ? !down : true })}>
        {title}
        {key === by && <span aria-hidden="true">{down ? ' ↓' : ' ↑'}</span>}
      </button>
    </th>
  );

  return (
    <section class="page">
      <div class="bar">
        <h1>Runs</h1>
        <span class="grow" />
        <a class="button" href={href(['curves'], { runs: compared })}>
          {compared ? `Compare ${chosen.value.size}` : 'Compare all'}
        </a>
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label="Table of runs">
        <table class="runs">
          <thead>
            <tr>
              <th>
                <span class="hidden">Choose</span>
              </th>
              {heading('run', 'id')}
              {heading('progress', 'step')}
              <th>reward over time</th>
              {columns.map((column) => heading(column.title, column.key, 'number'))}
              {heading('started', 'started')}
            </tr>
          </thead>
          <tbody>
            {sorted.map((run) => (
              <tr key={run.id}>
                <td>
                  <input
                    type="checkbox"
                    checked={chosen.value.has(run.id)}
                    onChange={() => toggle(run.id)}
                    aria-label={`Choose ${printable(run.id)}`}
                  />
                </td>
                <th scope="row">
                  <a href={href(['curves'], { runs: run.id })} title={printable(run.path)}>
                    <VisibleText text={run.id} />
                  </a>
                  {run.unreadableLines > 0 && <span class="warn"> {run.unreadableLines} unreadable lines</span>}
                </th>
                <td>
                  <RunProgress run={run} />
                </td>
                <td>
                  <Sparkline values={run.rewards} />
                </td>
                {columns.map(({ key: metric, format }) => {
                  const value = run.latest && metricAt(run.latest, metric);
                  return (
                    <td key={metric} class="number">
                      <data value={String(value ?? '')}>{formatNumber(value, format)}</data>
                    </td>
                  );
                })}
                <td class="soft">{run.started ? <Started run={run} /> : '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Started({ run: { started, updatedMs } }: { run: RunSummary }) {
  const date = new Date(started as string);
  const seconds = updatedMs === null ? undefined : (updatedMs - date.getTime()) / 1000;
  return (
    <>
      <time dateTime={started as string}>
        {date.toLocaleDateString('en', { month: 'short', day: 'numeric' })},{' '}
        {date.toLocaleTimeString('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })}
      </time>
      {seconds !== undefined && seconds >= 0 && ` · ${duration(seconds)}`}
    </>
  );
}

function NoRuns() {
  return (
    <div class="empty">
      <h1>No runs here yet</h1>
      <p>
        <code>tapo quickstart</code> makes one in minutes; it appears here by itself.
      </p>
    </div>
  );
}

function sortValue(run: RunSummary, key: string): string | number {
  if (key === 'id') return run.id;
  if (key === 'step') return run.step;
  if (key === 'started') return run.started ?? '';
  return (run.latest && metricAt(run.latest, key)) ?? -Infinity;
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
