import type { RunSummary } from '@tapo/trainer/view';
import { useEffect, useMemo } from 'preact/hooks';
import { LineChart } from '../charts/line-chart.js';
import { count, formatNumber } from '../format.js';
import { go, href, route } from '../router.js';
import { groupRows, GroupView } from '../trajectory/group-view.js';
import { VirtualList } from '../virtual-list.js';
import { VisibleText } from '../visible-text.js';
import { useSearch } from './find-page.js';
import { Outcomes } from './step-page.js';

/** One problem through training: every time it was sampled, oldest first, and what was written then. */
export function ProblemPage({ run }: { run: RunSummary }) {
  const { query } = route.value;
  const problem = query.get('id') ?? '';
  const { search, more } = useSearch(run.id, new URLSearchParams({ problem, order: 'oldest' }).toString());
  // all of them: the curve is of the whole run
  useEffect(more, [more]);
  const times = useMemo(
    () => groupRows(search.rows.map((row) => ({ ...row, group: `${row.step}:${row.group}` }))),
    [search.rows],
  );
  const steps = useMemo(() => times.map(({ rows }) => rows[0]?.step ?? 0), [times]);
  const series = useMemo(
    () => [
      { name: 'reward', color: 0, values: times.map(({ rows }) => mean(rows.map(({ reward }) => reward))) },
      { name: 'calls', color: 1, values: times.map(({ rows }) => mean(rows.map(({ calls }) => calls.length))) },
    ],
    [times],
  );
  const chosen = times.find(({ id }) => id === query.get('time')) ?? times.at(-1);
  const question = search.rows[0]?.question;
  const select = (id: string) =>
    href(['run', run.id, 'problem'], { ...Object.fromEntries(query), time: id, line: undefined });
  return (
    <section class="step-page">
      <div class="bar">
        <h1 dir="auto">
          <VisibleText text={question ?? problem} />
        </h1>
        <span class="soft" role="status">
          sampled in {count(times.length, 'step')}
          {search.next !== null && `, ${search.looked} of ${search.steps} looked at`}
        </span>
      </div>
      {search.error !== undefined && <p class="empty">{search.error}</p>}
      {times.length === 0 && search.next === null && search.steps > 0 && (
        <p class="empty">This problem was never sampled.</p>
      )}
      {times.length > 1 && (
        <LineChart
          title="Reward and calls of this problem"
          steps={steps}
          series={series}
          height={110}
          onStep={(step) => {
            const time = times.find(({ rows }) => rows[0]?.step === step);
            if (time) go(select(time.id));
          }}
        />
      )}
      <div class="split">
        <VirtualList
          items={times}
          rowHeight={42}
          label="Times this problem was sampled"
          keyOf={({ id }) => id}
          selected={chosen ? times.indexOf(chosen) : -1}
          row={({ id, rows }) => (
            <a class="group-row one-line" href={select(id)} aria-current={chosen?.id === id ? 'true' : undefined}>
              <span>step {rows[0]?.step}</span>
              <Outcomes rows={rows} />
              <span class="soft number">{formatNumber(mean(rows.map(({ reward }) => reward)))}</span>
            </a>
          )}
        />
        {chosen && <GroupView key={chosen.id} runId={run.id} group={chosen} title={`Step ${chosen.rows[0]?.step}`} />}
      </div>
    </section>
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
