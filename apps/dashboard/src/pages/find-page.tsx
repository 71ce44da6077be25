import { filterQuery, parseFilter } from '@tapo/trainer/view';
import type { FindPage as Found, RunSummary, TrajectoryRow } from '@tapo/trainer/view';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { request, runPath } from '../data/requests.js';
import { metricsOf } from '../data/runs.js';
import { metricKeys } from '../data/series.js';
import { count, formatNumber } from '../format.js';
import { href, route } from '../router.js';
import { FilterBar } from '../trajectory/filter-bar.js';
import { Verdict } from '../trajectory/trajectory-card.js';
import { VirtualList } from '../virtual-list.js';
import { VisibleText } from '../visible-text.js';

interface Search {
  rows: TrajectoryRow[];
  next: Found['next'];
  looked: number;
  steps: number;
  error?: string;
}

const nothing: Search = { rows: [], next: null, looked: 0, steps: 0 };
/** a screenful is always there before the reader scrolls */
const ahead = 200;

/** Trajectories of the whole run that match the filters, newest first; more are looked for while the reader scrolls. */
export function FindPage({ run }: { run: RunSummary }) {
  const filter = parseFilter(route.value.query);
  const text = filterQuery(filter).toString();
  const { search, more } = useSearch(run.id, text);
  const lines = metricsOf(run.id).value?.lines.slice(-1) ?? [];
  const sources = metricKeys(lines).flatMap((key) => (key.startsWith('accuracyBySource.') ? [key.slice(17)] : []));
  return (
    <section class="find-page">
      <div class="bar">
        <h1>Search</h1>
        <span class="soft" role="status">
          {count(search.rows.length, 'trajectory').replace('trajectorys', 'trajectories')} found, {search.looked} of{' '}
          {count(search.steps, 'step')} looked at
        </span>
      </div>
      <FilterBar filter={filter} sources={sources} placeholder="text anywhere in the trajectories" />
      {search.error !== undefined && <p class="empty">{search.error}</p>}
      {search.next === null && search.rows.length === 0 && search.steps > 0 && <p class="empty">Nothing matches.</p>}
      {search.rows.length > 0 && (
        <div class="found-head" aria-hidden="true">
          <span>step</span>
          <span>verdict</span>
          <span>question</span>
          <span>answer</span>
          <span>calls</span>
          <span>source</span>
          <span class="number">reward</span>
        </div>
      )}
      <VirtualList
        items={search.rows}
        rowHeight={38}
        label="Trajectories found"
        keyOf={({ step, line }) => `${step} ${line}`}
        onEnd={more}
        row={(row) => <FoundRow runId={run.id} row={row} />}
      />
    </section>
  );
}

function FoundRow({ runId, row }: { runId: string; row: TrajectoryRow }) {
  const { step, group, line, question, answer, reward, calls, source } = row;
  return (
    <a class="found-row" href={href(['run', runId, 'step', step], { group, line })}>
      <span class="soft">
        <span class="hidden">step </span>
        {step}
      </span>
      <Verdict row={row} />
      <span class="title" dir="auto">
        <VisibleText text={question} />
      </span>
      <span class="answer" dir="auto">
        {answer === null ? <span class="soft">no answer</span> : <VisibleText text={answer} />}
      </span>
      <span class="soft calls">
        <VisibleText
          text={
            calls.map(({ tool, status }) => (status === 'ok' ? tool : `${tool}: ${status}`)).join(', ') || 'no call'
          }
        />
      </span>
      <span class="soft source">
        <VisibleText text={source} />
      </span>
      <span class="number">{formatNumber(reward)}</span>
    </a>
  );
}

/** Pages of the server's search, one after the other, as far as they are wanted. */
export function useSearch(id: string, query: string) {
  const [search, setSearch] = useState<Search>(nothing);
  const state = useRef({ wanted: ahead, busy: false, query: '' });

  const load = useCallback(
    async (from: Search) => {
      const own = state.current;
      if (own.busy) return;
      own.busy = true;
      let current = from;
      try {
        while (
          own.query === query &&
          current.rows.length < own.wanted &&
          (current === from ? true : current.next !== null)
        ) {
          const start = current.next ? `&from=${current.next.step}:${current.next.line}` : '';
          const page = await request<Found>(`${runPath(id)}/find?${query}&limit=200${start}`);
          current = {
            rows: [...current.rows, ...page.rows],
            next: page.next,
            looked: current.looked + page.looked,
            steps: page.steps,
          };
          if (own.query === query) setSearch(current);
        }
      } catch (error) {
        setSearch({ ...current, next: null, error: (error as Error).message });
      } finally {
        own.busy = false;
      }
    },
    [id, query],
  );

  useEffect(() => {
    state.current = { wanted: ahead, busy: false, query };
    setSearch(nothing);
    void load(nothing);
  }, [load]);

  const more = useCallback(() => {
    if (search.next === null) return;
    state.current.wanted = search.rows.length + ahead;
    void load(search);
  }, [search, load]);
  return { search, more };
}
