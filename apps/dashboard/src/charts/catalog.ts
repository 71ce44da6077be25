import { printable } from '@tapo/trainer/view';
import type { NumberFormat } from '../format.js';

/** A chart: one metric, or several that belong together. `x.*` stands for every part of a nested metric. */
export interface ChartSpec {
  title: string;
  keys: readonly string[];
  format?: NumberFormat;
  /** parts that add up to a whole */
  stacked?: boolean;
  /** fixed ends of the axis */
  range?: readonly [number, number];
  note?: string;
}

export interface ChartSection {
  title: string;
  charts: readonly ChartSpec[];
}

const share = { format: 'percent', range: [0, 1] } as const;

/** What is shown of metrics.jsonl, in this order; metrics that are not named here come at the end. */
const catalog: readonly ChartSection[] = [
  {
    title: 'Outcome',
    charts: [
      { title: 'Reward', keys: ['reward'], note: 'mean of all sampled' },
      { title: 'Accuracy and format', keys: ['accuracy', 'formatRate'], ...share },
      { title: 'Accuracy by source', keys: ['accuracyBySource.*'], ...share },
      { title: 'Spread of rewards', keys: ['rewardStd', 'rewardMin', 'rewardMax'], note: 'over rollouts' },
      { title: 'Held-out accuracy', keys: ['evaluation.accuracy', 'evaluation.formatRate'], ...share, note: 'greedy' },
      { title: 'Held-out accuracy by source', keys: ['evaluationBySource.*'], ...share, note: 'greedy' },
      { title: 'Held-out calls per problem', keys: ['evaluation.callsPerProblem'], note: 'greedy' },
    ],
  },
  {
    title: 'Tools',
    charts: [
      { title: 'Calls per problem', keys: ['callsPerProblem'] },
      { title: 'Calls by tool', keys: ['callsByTool.*'], note: 'per rollout' },
      { title: 'Calls by source', keys: ['callsBySource.*'], note: 'per rollout' },
      { title: 'How calls ended', keys: ['callStatus.*'], ...share, stacked: true },
      { title: 'Time of a call', keys: ['callMs'], format: 'milliseconds' },
      { title: 'Time of a call by tool', keys: ['callMsByTool.*'], format: 'milliseconds' },
      { title: 'Failed calls by tool', keys: ['callErrorsByTool.*'], ...share },
      { title: 'Cache hits', keys: ['cacheHits.*', 'cacheHitRate'], ...share },
      { title: 'External queries', keys: ['externalQueries'], note: 'that reached a service' },
      { title: 'Cost of tools', keys: ['toolCost'], note: 'money spent in the step' },
      { title: 'Failures of the cache', keys: ['cacheErrors'] },
      { title: 'Corrections', keys: ['corrections'], note: 'per rollout' },
    ],
  },
  {
    title: 'Length and ending',
    charts: [
      { title: 'Tokens of a rollout', keys: ['sampledTokens', 'observedTokens'], note: 'sampled and observed' },
      { title: 'Longest rollout', keys: ['sampledTokensMax'] },
      { title: 'Turns', keys: ['turns'] },
      { title: 'Why rollouts ended', keys: ['stopReasons.*'], ...share, stacked: true },
    ],
  },
  {
    title: 'Optimisation',
    charts: [
      { title: 'Entropy', keys: ['entropy'], note: 'nats, over sampled tokens' },
      { title: 'Clipped', keys: ['clipFraction', 'lowerClipFraction'], format: 'percent', note: 'share of tokens' },
      { title: 'Approximate KL', keys: ['approxKl'], note: 'old policy to new, nats' },
      { title: 'Greatest ratio', keys: ['ratioMax'] },
      { title: 'Gradient norm', keys: ['gradientNorm'], note: 'before clipping' },
      { title: 'Loss', keys: ['loss'] },
      { title: 'Learning rate', keys: ['learningRate'] },
      { title: 'Trained tokens', keys: ['trainedTokens'] },
      { title: 'Updates', keys: ['updates'] },
    ],
  },
  {
    title: 'Sampler against trainer',
    charts: [
      { title: 'Mismatch', keys: ['mismatchMean', 'mismatchMax'], note: '|Δ log-probability|' },
      { title: 'KL, sampler to trainer', keys: ['mismatchKl'] },
    ],
  },
  {
    title: 'Groups',
    charts: [
      { title: 'Groups', keys: ['groups.drawn', 'groups.trained', 'groups.dropped'] },
      { title: 'Kept for later, or without spread', keys: ['groups.carried', 'groups.unfiltered'] },
      { title: 'Draws', keys: ['groups.draws'] },
      { title: 'Age of the weights', keys: ['staleness.mean', 'staleness.max'], note: 'steps, of trained groups' },
      { title: 'Too old to be trained on', keys: ['groups.stale'] },
    ],
  },
  {
    title: 'Signs of reward hacking',
    charts: [
      { title: 'Forged responses', keys: ['watch.forgedResponses'], note: 'per rollout' },
      { title: 'Several or stuffed answers', keys: ['watch.severalAnswers', 'watch.stuffedAnswers'] },
      { title: 'Repeated or unused calls', keys: ['watch.repeatedCalls', 'watch.unusedCalls'] },
    ],
  },
  {
    title: 'Time and memory',
    charts: [
      {
        title: 'Where a step’s time went',
        keys: ['seconds.sample', 'seconds.oldLogprobs', 'seconds.update'],
        format: 'seconds',
        stacked: true,
      },
      { title: 'Sampled tokens per second', keys: ['sampledTokensPerSecond'] },
      { title: 'Trained tokens per second', keys: ['trainedTokensPerSecond'] },
      { title: 'Memory', keys: ['residentBytes'], format: 'bytes', note: 'resident' },
    ],
  },
];

/** not worth a chart of their own */
const implied = new Set(['seconds.total', 'watch.rollouts', 'watch.calls']);

/** The sections for the metrics that occur; patterns filled in, empty charts left out. */
export function chartsFor(keys: readonly string[]): ChartSection[] {
  const shown = new Set(implied);
  const expand = (key: string): string[] =>
    key.endsWith('.*') ? keys.filter((found) => found.startsWith(key.slice(0, -1))) : keys.filter((k) => k === key);
  const sections = catalog.map(({ title, charts }) => ({
    title,
    charts: charts
      .map((chart) => ({ ...chart, keys: inOrder(chart.keys.flatMap(expand)) }))
      .filter((chart) => chart.keys.length > 0),
  }));
  for (const { charts } of sections) for (const chart of charts) for (const key of chart.keys) shown.add(key);
  const rest = keys.filter((key) => !shown.has(key)).map((key) => ({ title: printable(key), keys: [key] }));
  return [...sections, { title: 'More', charts: rest }].filter(({ charts }) => charts.length > 0);
}

/** how things end: the good end first, each with a colour of its own */
const endings = ['ok', 'answer', 'error', 'length', 'refused', 'turns', 'timeout', 'aborted'];
const endingColors = [0, 0, 1, 2, 3, 4, 5, 7];

function inOrder(keys: string[]): string[] {
  const position = (key: string) => endings.indexOf(seriesName(key));
  return keys.every((key) => position(key) >= 0) ? keys.toSorted((a, b) => position(a) - position(b)) : keys;
}

/** Index into the palette for the k-th line of a chart. */
export function colorOf(key: string, k: number): number {
  return /^(callStatus|stopReasons)\./.test(key) ? (endingColors[endings.indexOf(seriesName(key))] ?? k) : k;
}

/** `callsByTool.python` → `python`; `sampledTokens` → `sampled tokens` */
export function seriesName(key: string): string {
  const last = printable(key.slice(key.indexOf('.') + 1));
  return key.includes('.') && /By[A-Z]/.test(key)
    ? last
    : last.replaceAll(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
}
