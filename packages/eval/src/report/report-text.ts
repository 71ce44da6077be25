import { formatChange, formatEstimate, formatNumber } from './numbers.js';
import type { ReportInput } from './report-input.js';

/** What happened, in one or two sentences. */
export function leadSentence({ before, after, metrics = [] }: ReportInput): string {
  const steps = metrics.length > 0 ? ` in ${metrics.length} training ${metrics.length === 1 ? 'step' : 'steps'}` : '';
  const latest = after ?? before;
  if (!latest) return metrics.length > 0 ? `${metrics.length} training steps.` : 'Nothing was evaluated.';
  const problems = `${latest.problems} ${latest.problems === 1 ? 'problem' : 'problems'}`;
  if (!before || !after) return `Accuracy is ${formatEstimate(latest.accuracy, 'percent')} on ${problems}.`;
  const [was, is] = [before.accuracy, after.accuracy];
  const verb = is.value > was.value ? 'rose' : is.value < was.value ? 'fell' : 'stayed';
  const apart = is.low > was.high || is.high < was.low;
  return (
    `Accuracy ${verb} from ${formatNumber(was.value, 'percent')} to ${formatNumber(is.value, 'percent')} ` +
    `(${formatChange(was.value, is.value, 'percent')}) on ${problems}${steps}. ` +
    `The 95% intervals ${apart ? 'do not overlap' : 'overlap'}: ${bounds(was)} before, ${bounds(is)} after.`
  );
}

function bounds({ low, high }: { low: number; high: number }): string {
  return `${formatNumber(low, 'percent')} to ${formatNumber(high, 'percent')}`;
}
