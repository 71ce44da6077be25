import type { RunSummary } from '@tapo/trainer/view';

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
