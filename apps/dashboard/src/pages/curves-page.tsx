import { flatConfig, printable } from '@tapo/trainer/view';
import { useMemo } from 'preact/hooks';
import type { MetricsLine, RunSummary } from '@tapo/trainer/view';
import { chartsFor, colorOf, seriesName } from '../charts/catalog.js';
import type { ChartSection, ChartSpec } from '../charts/catalog.js';
import { LineChart } from '../charts/line-chart.js';
import type { ChartSeries } from '../charts/line-chart.js';
import { ConfigDifferences } from './config-page.js';
import { Headline } from './headline.js';
import { metricsOf, runs } from '../data/runs.js';
import { bandOf, carried, metricAt, metricKeys, smoothed } from '../data/series.js';
import { count } from '../format.js';
import { go, href, route, setQuery } from '../router.js';
import { Loading } from '../loading.js';
import { paletteSize } from '../theme.js';

/** Lines of one run, or of the runs of a group. */
interface Curve {
  name: string;
  color: number;
  members: (readonly MetricsLine[])[];
}

/** All charts of one run, or the same charts of several laid over each other, run by run or as groups with intervals. */
export function CurvesPage() {
  const { query } = route.value;
  const all = runs.value ?? [];
  const asked = query.get('runs')?.split(',');
  const shown = asked ? all.filter(({ id }) => asked.includes(id)) : all.slice(0, 12);
  const weight = Number(query.get('smooth') ?? (shown.length > 1 ? 0.6 : 0));
  const groupKey = query.get('group') ?? '';
  const loaded = shown.map(({ id }) => metricsOf(id).value?.lines);
  const sections = useMemo(() => chartsFor([...new Set(loaded.flatMap((lines) => metricKeys(lines ?? [])))]), loaded);

  if (all.length === 0) return <p class="empty">No runs here yet.</p>;
  return (
    <section class="page">
      <Toolbar
        all={all}
        shown={shown}
        weight={weight}
        groupKey={groupKey}
        titles={sections.map(({ title }) => title)}
      />
      {shown.length === 1 && shown[0] && loaded[0] && loaded[0].length > 0 && (
        <Headline run={shown[0]} lines={loaded[0]} />
      )}
      {shown.length > 1 && <ConfigDifferences runs={shown} />}
      {loaded.some((lines) => lines === undefined) && shown.length > 0 ? (
        <Loading />
      ) : (
        <Charts
          runs={shown}
          lines={loaded as MetricsLine[][]}
          sections={sections}
          weight={weight}
          groupKey={groupKey}
        />
      )}
    </section>
  );
}

interface ToolbarProps {
  all: readonly RunSummary[];
  shown: readonly RunSummary[];
  weight: number;
  groupKey: string;
  /** of the sections below */
  titles: readonly string[];
}

function Toolbar({ all, shown, weight, groupKey, titles }: ToolbarProps) {
  const ids = shown.map(({ id }) => id);
  const toggle = (id: string) =>
    setQuery({ runs: (ids.includes(id) ? ids.filter((other) => other !== id) : [...ids, id]).join(',') || 'none' });
  const keys = useMemo(() => groupingKeys(all), [all]);
  const grouped = groupKey !== '';
  return (
    <div class="bar sticky">
      <h1>{shown.length === 1 ? 'Curves' : 'Compare'}</h1>
      <SectionLinks titles={titles} />
      <span class="grow" />
      {shown.length > 1 && (
        <label>
          group by{' '}
          <select value={groupKey} onChange={(event) => setQuery({ group: event.currentTarget.value })}>
            <option value="">nothing</option>
            {keys.map((key) => (
              <option key={key} value={key}>
                {printable(key)}
              </option>
            ))}
          </select>
        </label>
      )}
      <label>
        smoothing{' '}
        <input
          type="range"
          min="0"
          max="0.98"
          step="0.02"
          value={weight}
          onInput={(event) => setQuery({ smooth: event.currentTarget.value })}
        />
        <output>{weight.toFixed(2)}</output>
      </label>
      <ul class="chips full" aria-label="Runs on show">
        {all.length > 1 &&
          all.map(({ id }) => (
            <li key={id}>
              <button type="button" aria-pressed={ids.includes(id)} onClick={() => toggle(id)}>
                {shown.length > 1 && !grouped && (
                  <i class={`swatch ${ids.includes(id) ? `s${ids.indexOf(id) % paletteSize}` : ''}`} />
                )}
                {printable(id)}
              </button>
            </li>
          ))}
      </ul>
    </div>
  );
}

/** The address is the view's, so these are buttons. */
function SectionLinks({ titles }: { titles: readonly string[] }) {
  return (
    <nav class="sections" aria-label="Sections">
      {titles.map((title) => (
        <button
          key={title}
          type="button"
          class="quiet"
          onClick={() => document.getElementById(title)?.scrollIntoView({ behavior: 'smooth' })}
        >
          {title}
        </button>
      ))}
    </nav>
  );
}

/** Config keys worth grouping by: those that differ, but for the seed and the like. */
function groupingKeys(all: readonly RunSummary[]): string[] {
  const flat = all.map(({ config }) => flatConfig(config));
  const keys = [...new Set(flat.flatMap((config) => [...config.keys()]))];
  return keys.filter((key) => key !== 'seed' && new Set(flat.map((config) => config.get(key))).size > 1);
}

interface ChartsProps {
  runs: readonly RunSummary[];
  lines: readonly (readonly MetricsLine[])[];
  sections: readonly ChartSection[];
  weight: number;
  groupKey: string;
}

function Charts({ runs: shown, lines, sections, weight, groupKey }: ChartsProps) {
  const curves = useMemo(() => toCurves(shown, lines, groupKey), [groupKey, ...lines]);
  const steps = useMemo(() => [...new Set(lines.flat().map(({ step }) => step))].toSorted((a, b) => a - b), lines);
  if (shown.length === 0) return <p class="empty">Choose a run above.</p>;
  if (steps.length === 0) return <p class="empty">Nothing measured yet. Curves appear with the first step.</p>;
  const single = shown.length === 1 ? shown[0] : undefined;
  return (
    <>
      {sections.map(({ title, charts }) => (
        <section key={title} id={title} class="charts-of" aria-label={title}>
          <h2>{title}</h2>
          <div class="charts">
            {charts
              .flatMap((chart) => (single ? [chart] : splitByKey(chart)))
              .map((chart) => (
                <Chart
                  key={`${chart.title} ${chart.note}`}
                  chart={chart}
                  curves={curves}
                  steps={steps}
                  weight={weight}
                  {...(single && { onStep: (step: number) => go(href(['run', single.id, 'step', step])) })}
                />
              ))}
          </div>
        </section>
      ))}
    </>
  );
}

/** With several runs a chart has one metric, and a line for each run. */
function splitByKey(chart: ChartSpec): ChartSpec[] {
  if (chart.keys.length === 1) return [chart];
  return chart.keys.map((key) => ({
    ...chart,
    keys: [key],
    stacked: false,
    title: seriesName(key),
    note: chart.title,
  }));
}

function toCurves(shown: readonly RunSummary[], lines: readonly (readonly MetricsLine[])[], groupKey: string): Curve[] {
  if (groupKey === '') return shown.map(({ id }, i) => ({ name: printable(id), color: i, members: [lines[i] ?? []] }));
  const groups = new Map<string, (readonly MetricsLine[])[]>();
  shown.forEach(({ config }, i) => {
    const value = flatConfig(config).get(groupKey) ?? 'not set';
    groups.set(value, [...(groups.get(value) ?? []), lines[i] ?? []]);
  });
  return [...groups].map(([value, members], i) => ({
    name: `${printable(value)} (${count(members.length, 'run')})`,
    color: i,
    members,
  }));
}

interface ChartProps {
  chart: ChartSpec;
  curves: readonly Curve[];
  steps: readonly number[];
  weight: number;
  onStep?: (step: number) => void;
}

function Chart({ chart, curves, steps, weight, onStep }: ChartProps) {
  const series = useMemo(
    () =>
      chart.keys.flatMap((key, k) =>
        curves.map((curve): ChartSeries => {
          const smooth = chart.stacked === true ? 0 : weight;
          return {
            name: curves.length === 1 ? seriesName(key) : curve.name,
            color: curves.length === 1 ? colorOf(key, k) : curve.color,
            ...curveValues(curve, { key, steps, smooth }),
          };
        }),
      ),
    [chart.keys.join(), curves, steps, weight],
  );
  return (
    <LineChart
      title={chart.title}
      note={chart.note}
      format={chart.format}
      range={chart.range}
      stacked={chart.stacked}
      steps={steps}
      series={series}
      onStep={onStep}
    />
  );
}

/** A single run's values, with the unsmoothed ones behind; of several runs the mean, with its interval. */
function curveValues(
  { members }: Curve,
  { key, steps, smooth }: { key: string; steps: readonly number[]; smooth: number },
): Omit<ChartSeries, 'name' | 'color'> {
  const columns = members.map((lines) => {
    const bySteps = new Map(lines.map((line) => [line.step, metricAt(line, key)]));
    return steps.map((step) => bySteps.get(step) ?? null);
  });
  const [first = []] = columns;
  if (columns.length === 1) return { exact: first, values: smoothed(first, smooth), ...(smooth > 0 && { raw: first }) };
  const bandsOf = (of: readonly (number | null)[][]) =>
    steps.map((_, i) => bandOf(of.map((column) => column[i] ?? null)));
  // each run is smoothed, then the runs are compared
  const settled = (column: (number | null)[]) =>
    // a run that lacks a source at one step is still where it was: else the mean jumps to the others
    smooth > 0 ? carried(smoothed(column, smooth)) : column;
  const bands = bandsOf(columns.map(settled));
  return {
    exact: bandsOf(columns).map(({ mean }) => mean),
    values: bands.map(({ mean }) => mean),
    low: bands.map(({ low }) => low),
    high: bands.map(({ high }) => high),
  };
}
