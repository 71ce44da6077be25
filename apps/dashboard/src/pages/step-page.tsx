import { flags, parseFilter } from '@tapo/trainer/view';
import type { RunSummary, StepList, StepRows, TrajectoryFilter, TrajectoryRow } from '@tapo/trainer/view';
import { useEffect, useMemo } from 'preact/hooks';
import { runPath } from '../data/requests.js';
import { useRequest } from '../data/use-request.js';
import { count } from '../format.js';
import { isTyping } from '../keys-help.js';
import { Loading } from '../loading.js';
import { go, href, route, setQuery } from '../router.js';
import { FilterBar } from '../trajectory/filter-bar.js';
import { groupRows, GroupView } from '../trajectory/group-view.js';
import type { Group } from '../trajectory/group-view.js';
import { VirtualList } from '../virtual-list.js';
import { VisibleText } from '../visible-text.js';

/** A step's groups, and the chosen one's rollouts side by side. Keys: j and k for groups, [ and ] for steps. */
export function StepPage({ run, step: asked }: { run: RunSummary; step: number | undefined }) {
  const { query } = route.value;
  const list = useRequest<StepList>(`${runPath(run.id)}/steps`, run.step);
  const steps = list.value?.steps;
  const step = asked ?? steps?.at(-1);
  const { value, error } = useRequest<StepRows>(
    step === undefined ? undefined : `${runPath(run.id)}/steps/${step}`,
    steps?.includes(step ?? -1),
  );
  const filter = parseFilter(query);
  const all = value?.rows;
  const groups = useMemo(() => groupRows(all ?? []), [all]);
  const matching = useMemo(
    () => groups.filter((group) => group.rows.some((row) => rowMatches(row, filter))),
    [groups, query.toString()],
  );
  const chosen = groups.find(({ id }) => id === query.get('group')) ?? matching[0];
  const position = chosen ? matching.indexOf(chosen) : -1;

  const toStep = (by: number) => {
    const next = steps?.[steps.indexOf(step ?? NaN) + by];
    if (next !== undefined) go(stepHref(run.id, next, query));
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event)) return;
      const { key } = event;
      if (key === 't') setQuery({ view: query.get('view') === 'tokens' ? undefined : 'tokens' });
      if (key === '[' || key === ']') toStep(key === ']' ? 1 : -1);
      const next = matching[position + ({ j: 1, k: -1 }[key] ?? NaN)];
      if (next) setQuery({ group: next.id, line: undefined });
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  });

  if (steps?.length === 0) return <p class="empty">No trajectories yet. They appear with the first step.</p>;
  if (error !== undefined) return <p class="empty">{error}</p>;
  if (!all || step === undefined || !steps) return <Loading />;
  const sources = [...new Set(all.map(({ source }) => source))].toSorted();
  return (
    <section class="step-page">
      <div class="bar">
        <h1>Step {step}</h1>
        <button type="button" aria-label="Previous step" disabled={step === steps[0]} onClick={() => toStep(-1)}>
          ←
        </button>
        <input
          type="range"
          class="steps"
          aria-label="Step"
          min="0"
          max={steps.length - 1}
          value={steps.indexOf(step)}
          onChange={(event) => go(stepHref(run.id, steps[Number(event.currentTarget.value)] as number, query))}
        />
        <button type="button" aria-label="Next step" disabled={step === steps.at(-1)} onClick={() => toStep(1)}>
          →
        </button>
        <NewestStep run={run} asked={asked} newest={steps.at(-1)} query={query} />
        <StepFacts rows={all} groups={groups} />
      </div>
      <FilterBar filter={filter} sources={sources} placeholder="question, answer or id in this step" />
      <div class="split">
        <VirtualList
          items={matching}
          rowHeight={58}
          label={`${count(matching.length, 'group')} of step ${step}`}
          keyOf={({ id }) => id}
          selected={position}
          row={(group) => <GroupRow group={group} runId={run.id} step={step} query={query} chosen={group === chosen} />}
        />
        {chosen ? (
          <GroupView key={`${step} ${chosen.id}`} runId={run.id} group={chosen} />
        ) : (
          <p class="empty">No group matches.</p>
        )}
      </div>
    </section>
  );
}

/** Without a step in the address the page follows the run; a chosen step stays, whatever happens. */
function NewestStep(props: {
  run: RunSummary;
  asked: number | undefined;
  newest?: number | undefined;
  query: URLSearchParams;
}) {
  const { run, asked, newest, query } = props;
  if (asked === undefined) return run.status === 'running' ? <span class="pill">follows the run</span> : null;
  if (newest === undefined || newest <= asked) return null;
  const { group: _group, line: _line, ...kept } = Object.fromEntries(query) as Record<string, string>;
  return <a href={href(['run', run.id, 'step'], kept)}>newest: {newest}</a>;
}

function stepHref(id: string, step: number, query: URLSearchParams): string {
  const { group: _group, line: _line, ...kept } = Object.fromEntries(query) as Record<string, string>;
  return href(['run', id, 'step', step], kept);
}

function rowMatches(row: TrajectoryRow, { flags: wanted, source, text }: TrajectoryFilter): boolean {
  const needle = text?.toLowerCase();
  const texts = [row.id, row.question, row.answer ?? '', row.problemId];
  return (
    wanted.every((name) => flags[name].holds(row)) &&
    (source === undefined || row.source === source) &&
    (needle === undefined || texts.some((part) => part.toLowerCase().includes(needle)))
  );
}

function StepFacts({ rows, groups }: { rows: readonly TrajectoryRow[]; groups: readonly Group[] }) {
  const right = rows.filter(({ accurate }) => accurate).length;
  const calls = rows.reduce((sum, row) => sum + row.calls.length, 0);
  return (
    <span class="soft">
      {count(groups.length, 'group')} · {count(rows.length, 'rollout')} · {right} right · {count(calls, 'call')} ·{' '}
      {count(rows.filter(({ trained }) => trained).length, 'rollout')} trained on
    </span>
  );
}

interface GroupRowProps {
  group: Group;
  runId: string;
  step: number;
  query: URLSearchParams;
  chosen: boolean;
}

function GroupRow({ group: { id, rows }, runId, step, query, chosen }: GroupRowProps) {
  const [first] = rows as [TrajectoryRow];
  const { line: _line, ...kept } = Object.fromEntries(query) as Record<string, string>;
  const right = rows.filter(({ accurate }) => accurate).length;
  return (
    <a
      class="group-row"
      href={href(['run', runId, 'step', step], { ...kept, group: id })}
      aria-current={chosen ? 'true' : undefined}
    >
      <span class="title" dir="auto">
        <VisibleText text={first.question} />
      </span>
      <span class="soft details">
        <Outcomes rows={rows} />
        <VisibleText text={first.source} />
        {!first.trained && ' · not trained on'}
        <span class="hidden">
          {right} of {rows.length} right
        </span>
      </span>
    </a>
  );
}

/** A small mark for each rollout: filled where right, a cross where the format is wrong. */
export function Outcomes({ rows }: { rows: readonly TrajectoryRow[] }) {
  return (
    <span class="outcomes" aria-hidden="true">
      {rows.map(({ line, accurate, wellFormed }) => (
        <i key={line} class={accurate ? 'right' : wellFormed ? 'wrong' : 'malformed'} />
      ))}
    </span>
  );
}
