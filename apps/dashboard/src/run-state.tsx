import type { RunSummary } from '@tapo/trainer/view';
import { metricAt } from './data/series.js';
import { duration } from './format.js';

/** `● running 12/40` */
export function RunState({ run: { status, step, totalSteps } }: { run: RunSummary }) {
  return (
    <span class={`state ${status}`}>
      <i aria-hidden="true" />
      {status} {step}
      {totalSteps !== null && <span class="soft">/{totalSteps}</span>}
    </span>
  );
}

/** How far a run is, as a bar; beside it how long it still takes. */
export function RunProgress({ run }: { run: RunSummary }) {
  const { status, step, totalSteps } = run;
  const left = secondsLeft(run);
  return (
    <>
      <RunState run={run} />
      {left !== undefined && <span class="soft"> · {duration(left)} left</span>}
      {totalSteps !== null && (
        <span class={`bar-of-steps ${status}`} aria-hidden="true">
          <i style={{ width: `${Math.min(100, (100 * step) / totalSteps)}%` }} />
        </span>
      )}
    </>
  );
}

/** As long as the newest step took, for every step that is left. */
function secondsLeft({ status, step, totalSteps, latest }: RunSummary): number | undefined {
  const perStep = latest && metricAt(latest, 'seconds.total');
  if (status !== 'running' || totalSteps === null || perStep === null || step >= totalSteps) return undefined;
  return perStep * (totalSteps - step);
}
