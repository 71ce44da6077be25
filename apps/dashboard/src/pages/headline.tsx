import type { MetricsLine, RunSummary } from '@tapo/trainer/view';
import { Sparkline } from '../charts/sparkline.js';
import { metricAt } from '../data/series.js';
import { formatNumber } from '../format.js';
import type { NumberFormat } from '../format.js';
import { RunProgress } from '../run-state.js';

interface Fact {
  title: string;
  key: string;
  format?: NumberFormat;
}

/** What one looks at first. */
const facts: readonly Fact[] = [
  { title: 'Reward', key: 'reward' },
  { title: 'Accuracy', key: 'accuracy', format: 'percent' },
  { title: 'Held-out accuracy', key: 'evaluation.accuracy', format: 'percent' },
  { title: 'Format', key: 'formatRate', format: 'percent' },
  { title: 'Calls per problem', key: 'callsPerProblem' },
  { title: 'Tokens sampled', key: 'sampledTokens' },
  { title: 'Entropy', key: 'entropy' },
  { title: 'Time of a step', key: 'seconds.total', format: 'seconds' },
];
/** of a cold start, which has no rewards */
const supervisedFacts: readonly Fact[] = [
  { title: 'Loss', key: 'loss' },
  { title: 'Gradient norm', key: 'gradientNorm' },
  { title: 'Trained tokens per second', key: 'trainedTokensPerSecond' },
  { title: 'Time of a step', key: 'seconds.total', format: 'seconds' },
];
const most = 7;

/** The newest numbers of a run, large, with where they came from. */
export function Headline({ run, lines }: { run: RunSummary; lines: readonly MetricsLine[] }) {
  const isSupervised = lines.every((line) => metricAt(line, 'reward') === null);
  const shown = (isSupervised ? supervisedFacts : facts)
    .map((fact) => ({
      ...fact,
      values: lines.map((line) => metricAt(line, fact.key)).filter((value) => value !== null),
    }))
    .filter(({ values }) => values.length > 0)
    .slice(0, most);
  return (
    <dl class="headline">
      <div>
        <dt>Progress</dt>
        <dd>
          <RunProgress run={run} />
        </dd>
      </div>
      {shown.map(({ title, key, format, values }) => (
        <div key={key}>
          <dt>{title}</dt>
          <dd>
            <b>{formatNumber(values.at(-1), format)}</b>
            <span class="soft">{values.length > 1 && `from ${formatNumber(values[0], format)}`}</span>
            <Sparkline values={values} width={128} height={26} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
