import { useSignal } from '@preact/signals';
import { printable } from '@tapo/trainer/view';
import type { TokenColumns, TrajectoryDetail, TrajectoryRow } from '@tapo/trainer/view';
import { runPath } from '../data/requests.js';
import { findRun } from '../data/runs.js';
import { useRequest } from '../data/use-request.js';
import { count, formatNumber } from '../format.js';
import { href } from '../router.js';
import { VisibleText } from '../visible-text.js';
import { readableBlocks } from './blocks.js';
import type { Block } from './blocks.js';
import type { ScaleName } from './token-scale.js';
import { TokenView } from './token-view.js';

export interface TrajectoryCardProps {
  runId: string;
  trajectory: TrajectoryDetail;
  view: 'read' | 'tokens';
  scale: ScaleName;
  focused: boolean;
}

/** One rollout: verdict, reward, and what was written, as blocks or as tokens. */
export function TrajectoryCard({ runId, trajectory, view, scale, focused }: TrajectoryCardProps) {
  const { id, step, line, group, reward, score, advantage, stopReason, sampledTokens, answer, error } = trajectory;
  const link = href(['run', runId, 'step', step], {
    group,
    line: focused ? undefined : line,
    ...(view === 'tokens' && { view, scale }),
  });
  return (
    <article class="card" aria-label={`Rollout ${printable(id)}`}>
      <header>
        <a href={link} aria-label={focused ? 'Show the whole group' : `Show ${printable(id)} alone`}>
          {focused ? 'whole group' : `#${printable(id.slice(id.lastIndexOf('/') + 1))}`}
        </a>
        <Verdict row={trajectory} />
        <span class="grow" />
        <span>
          <span class="soft">reward</span> <data value={String(reward)}>{formatNumber(reward)}</data>
        </span>
        {score !== reward && (
          <span>
            <span class="soft">score</span> {formatNumber(score)}
          </span>
        )}
        {advantage === null ? (
          <span class="soft">not trained on</span>
        ) : (
          <span title="advantage">
            <span class="soft">A</span> <b class={advantage < 0 ? 'wrong' : 'right'}>{signed(advantage)}</b>
          </span>
        )}
        {advantage !== null && <Lean advantage={advantage} />}
      </header>
      {view === 'tokens' ? (
        <Tokens runId={runId} trajectory={trajectory} scale={scale} />
      ) : (
        <Blocks trajectory={trajectory} />
      )}
      <footer class="soft">
        {count(sampledTokens, 'token')}
        {stopReason !== 'answer' && <span class="warn"> · stopped: {stopReason}</span>}
        {answer === null && ' · no answer'}
        {error !== undefined && (
          <span class="warn">
            {' '}
            · <VisibleText text={error} />
          </span>
        )}
        {focused && <ReplayCommand runId={runId} id={id} step={step} />}
      </footer>
    </article>
  );
}

/** The advantage as a bar from the middle: where the update pushes this rollout. */
function Lean({ advantage }: { advantage: number }) {
  const share = (50 * Math.min(2, Math.abs(advantage))) / 2;
  return (
    <i
      class={`lean ${advantage < 0 ? 'down' : 'up'}`}
      aria-hidden="true"
      style={{ width: `${share}%`, left: `${advantage < 0 ? 50 - share : 50}%` }}
    />
  );
}

function signed(value: number): string {
  return value > 0 ? `+${formatNumber(value)}` : formatNumber(value);
}

/** right, wrong, or a wrong format: told by word and colour */
export function Verdict({ row: { accurate, wellFormed } }: { row: Pick<TrajectoryRow, 'accurate' | 'wellFormed'> }) {
  const verdict = accurate ? 'right' : wellFormed ? 'wrong' : 'bad format';
  return <b class={`verdict ${accurate ? 'right' : wellFormed ? 'wrong' : 'malformed'}`}>{verdict}</b>;
}

/** `tapo replay` samples a rollout of training again. */
function ReplayCommand({ runId, id, step }: { runId: string; id: string; step: number }) {
  const copied = useSignal(false);
  const path = findRun(runId)?.path;
  if (path === undefined || !id.startsWith('step-')) return null;
  const command = `tapo replay ${quoted(path)} ${step} ${quoted(id)}`;
  return (
    <div class="command">
      <code>
        <VisibleText text={command} />
      </code>
      <button
        type="button"
        class="more"
        onClick={() => void navigator.clipboard.writeText(command).then(() => (copied.value = true))}
      >
        {copied.value ? 'copied' : 'copy'}
      </button>
    </div>
  );
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function Blocks({ trajectory }: { trajectory: TrajectoryDetail }) {
  return (
    <div class="blocks">
      {readableBlocks(trajectory).map((block, i) => (
        <BlockView key={i} block={block} />
      ))}
    </div>
  );
}

function BlockView({ block: { kind, name, text, status, durationMs } }: { block: Block }) {
  return (
    <div class={`block ${kind}`}>
      <div class="block-name">
        <VisibleText text={name} />
        {kind === 'response' && status !== undefined && (
          <>
            {' '}
            <span class={`status ${status}`}>{status}</span>{' '}
            <span class="soft">{formatNumber(durationMs, 'milliseconds')}</span>
          </>
        )}
      </div>
      <pre dir="auto">
        <VisibleText text={text} />
      </pre>
    </div>
  );
}

function Tokens({
  runId,
  trajectory: { step, line, id },
  scale,
}: Pick<TrajectoryCardProps, 'runId' | 'trajectory' | 'scale'>) {
  const { value, error } = useRequest<TokenColumns>(`${runPath(runId)}/steps/${step}/tokens?line=${line}`);
  if (error !== undefined) return <p class="soft">{error}</p>;
  if (!value) return <p class="soft loading">Loading …</p>;
  return <TokenView columns={value} scale={scale} label={printable(id)} />;
}
