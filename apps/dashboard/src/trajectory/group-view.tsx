import type { TrajectoryDetail, TrajectoryRow } from '@tapo/trainer/view';
import { runPath } from '../data/requests.js';
import { useRequest } from '../data/use-request.js';
import { formatNumber } from '../format.js';
import { Loading } from '../loading.js';
import { href, route, setQuery } from '../router.js';
import { VisibleText } from '../visible-text.js';
import { scales } from './token-scale.js';
import type { ScaleName } from './token-scale.js';
import { TrajectoryCard } from './trajectory-card.js';

/** All rollouts of one problem in one step, sorted as sampled. */
export interface Group {
  id: string;
  rows: TrajectoryRow[];
}

/** Groups in the order of the file. */
export function groupRows(rows: readonly TrajectoryRow[]): Group[] {
  const groups = new Map<string, Group>();
  for (const row of rows) {
    const known = groups.get(row.group);
    if (known) known.rows.push(row);
    else groups.set(row.group, { id: row.group, rows: [row] });
  }
  return [...groups.values()];
}

/**
 * The rollouts of a problem side by side: question, gold answers, and a card for each; or one of them alone.
 * @param title instead of the question, where that is told already
 */
export function GroupView({ runId, group, title }: { runId: string; group: Group; title?: string }) {
  const { query } = route.value;
  const view = query.get('view') === 'tokens' ? 'tokens' : 'read';
  const scale = (query.get('scale') ?? 'logprob') as ScaleName;
  const lineText = query.get('line');
  const [first] = group.rows as [TrajectoryRow];
  const lines = group.rows.map(({ line }) => line).join(',');
  const { value, error } = useRequest<{ trajectories: TrajectoryDetail[] }>(
    `${runPath(runId)}/steps/${first.step}/trajectories?lines=${lines}`,
  );
  if (error !== undefined) return <p class="empty">{error}</p>;
  if (!value) return <Loading />;
  const bestFirst = query.get('order') === 'best';
  const details = bestFirst ? value.trajectories.toSorted((a, b) => b.reward - a.reward) : value.trajectories;
  const alone = details.filter(({ line }) => String(line) === lineText);
  const shown = alone.length > 0 ? alone : details;
  const [detail] = details;
  if (!detail) return <p class="empty">These trajectories are not there any more.</p>;
  return (
    <div class="group">
      <div class="question">
        <h2 dir="auto">{title ?? <VisibleText text={detail.question} />}</h2>
        <p>
          <span class="soft">wanted</span>{' '}
          {detail.targets.map((target, i) => (
            <span key={i} class="target" dir="auto">
              <VisibleText text={target} />
            </span>
          ))}{' '}
          <GroupFacts rows={details} />{' '}
          <a href={href(['run', runId, 'problem'], { id: detail.problemId })}>this problem through training</a>
        </p>
        <div class="switches">
          <div role="group" aria-label="View">
            <button type="button" aria-pressed={view === 'read'} onClick={() => setQuery({ view: undefined })}>
              read
            </button>
            <button type="button" aria-pressed={view === 'tokens'} onClick={() => setQuery({ view: 'tokens' })}>
              tokens
            </button>
          </div>
          {view === 'tokens' && (
            <>
              <label>
                coloured by{' '}
                <select value={scale} onChange={(event) => setQuery({ scale: event.currentTarget.value })}>
                  {Object.entries(scales).map(([name, label]) => (
                    <option key={name} value={name}>
                      {label}
                    </option>
                  ))}
                </select>
              </label>
              <ScaleKey scale={scale} />
            </>
          )}
          {alone.length === 0 && details.length > 1 && (
            <button
              type="button"
              class="quiet"
              aria-pressed={bestFirst}
              onClick={() => setQuery({ order: bestFirst ? undefined : 'best' })}
            >
              best first
            </button>
          )}
          <PromptFold prompt={detail.prompt} />
        </div>
      </div>
      <div
        class={`cards ${shown.length === 1 ? 'alone' : ''}`}
        tabIndex={0}
        role="region"
        aria-label="Rollouts side by side"
      >
        {shown.map((trajectory) => (
          <TrajectoryCard
            key={`${trajectory.step} ${trajectory.line}`}
            runId={runId}
            trajectory={trajectory}
            view={view}
            scale={scale}
            focused={alone.length > 0}
          />
        ))}
      </div>
    </div>
  );
}

/** What advantages come from: mean and deviation of the rewards. */
function GroupFacts({ rows }: { rows: readonly TrajectoryDetail[] }) {
  const [first] = rows as [TrajectoryDetail];
  const rewards = rows.map(({ reward }) => reward);
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rows.length;
  const variance = rewards.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / Math.max(1, rows.length - 1);
  const right = rows.filter(({ accurate }) => accurate).length;
  const called = rows.filter(({ calls }) => calls.length > 0).length;
  return (
    <span class="soft facts">
      <VisibleText text={first.source} /> · {right} of {rows.length} right · {called} called · reward{' '}
      {formatNumber(mean)} ± {formatNumber(Math.sqrt(variance))}
    </span>
  );
}

const ends: Record<ScaleName, readonly [string, string] | readonly [string, string, string]> = {
  logprob: ['likely', 'unlikely (−4)'],
  advantage: ['−1.5', '0', '+1.5'],
  ratio: ['0.78', '1', '1.28'],
  clipped: ['kept', 'clipped'],
  mask: ['sampled', 'masked'],
  mismatch: ['1e−5', '0.1'],
};

function ScaleKey({ scale }: { scale: ScaleName }) {
  const names = ends[scale];
  const shades =
    names.length === 3 ? ['n8', 'n4', '', 'p4', 'p8'] : scale === 'mask' ? ['', 'masked'] : ['', 'p4', 'p8'];
  return (
    <span class="scale-key">
      {names[0]}
      {shades.map((shade) => (
        <i key={shade} class={`token ${scale} ${shade}`} />
      ))}
      {names.at(-1)}
    </span>
  );
}

function PromptFold({ prompt }: { prompt: string }) {
  return (
    <details class="fold prompt">
      <summary>prompt</summary>
      <pre dir="auto">
        <VisibleText text={prompt} />
      </pre>
    </details>
  );
}
