import { useSignal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { formatNumber } from '../format.js';
import type { NumberFormat } from '../format.js';
import { colorScheme, paletteSize } from '../theme.js';

export interface ChartSeries {
  name: string;
  /** index into the palette */
  color: number;
  values: readonly (number | null)[];
  /** told below the chart in place of `values`, which may be smoothed */
  exact?: readonly (number | null)[];
  /** drawn faintly behind, for example before smoothing */
  raw?: readonly (number | null)[];
  /** ends of an interval, drawn as a band */
  low?: readonly (number | null)[];
  high?: readonly (number | null)[];
}

export interface LineChartProps {
  title: string;
  note?: string | undefined;
  format?: NumberFormat | undefined;
  range?: readonly [number, number] | undefined;
  stacked?: boolean | undefined;
  steps: readonly number[];
  series: readonly ChartSeries[];
  /** called with the step that was clicked */
  onStep?: ((step: number) => void) | undefined;
  height?: number;
}

type Column = (number | null)[];

/** A chart with its values as text below: at the cursor while there is one, else the newest. */
export function LineChart({ title, note, height = 150, ...props }: LineChartProps) {
  const { series, steps, format } = props;
  const cursor = useSignal<number | null>(null);
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const structure = JSON.stringify([
    series.map(({ name, color, raw, low }) => [name, color, !!raw, !!low]),
    props.range,
    colorScheme.value,
  ]);

  useEffect(() => {
    const element = place.current as HTMLDivElement;
    const show = () => {
      plot.current ??= draw(element, {
        ...latest.current,
        height,
        cursor,
        click: (step) => latest.current.onStep?.(step),
      });
    };
    // charts that are not on the screen cost nothing
    const seen = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && show(), {
      rootMargin: '200px',
    });
    const sized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    seen.observe(element);
    sized.observe(element);
    return () => {
      seen.disconnect();
      sized.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [structure, height]);
  useEffect(() => plot.current?.setData(columns(props), true), [steps, series]);

  return (
    <figure class={`chart ${props.onStep ? 'clickable' : ''}`} aria-label={title}>
      <figcaption>
        <b>{title}</b>
        {note && <span class="soft">{note}</span>}
      </figcaption>
      <div ref={place} class="plot" style={{ height: `${height}px` }} aria-hidden="true" />
      <Legend series={series} steps={steps} format={format} cursor={cursor} />
    </figure>
  );
}

interface LegendProps extends Pick<LineChartProps, 'series' | 'steps' | 'format'> {
  cursor: Signal<number | null>;
}

function Legend({ series, steps, format, cursor }: LegendProps) {
  const at = cursor.value;
  return (
    <ul class="legend">
      {series.map(({ name, color, values, exact = values }) => {
        const value = at === null ? lastKnown(exact) : exact[at];
        return (
          <li key={name}>
            <i class={`swatch s${color % paletteSize}`} />
            <span class="name">{name}</span> <data value={String(value ?? '')}>{formatNumber(value, format)}</data>
          </li>
        );
      })}
      {at !== null && <li class="soft">step {steps[at]}</li>}
    </ul>
  );
}

function lastKnown(values: readonly (number | null)[]): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

interface DrawOptions extends Omit<LineChartProps, 'title' | 'note' | 'onStep'> {
  height: number;
  cursor: Signal<number | null>;
  click: (step: number) => void;
}

function draw(element: HTMLElement, options: DrawOptions): uPlot {
  const { series, range, format, stacked = false, height, cursor, click } = options;
  const css = getComputedStyle(document.documentElement);
  const color = (name: string) => css.getPropertyValue(`--${name}`).trim();
  const lines: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const { color: index, raw, low } of series) {
    const stroke = color(`s${index % paletteSize}`);
    if (raw) lines.push({ stroke: `${stroke}55`, width: 1, points: { show: false } });
    if (low) {
      bands.push({ series: [lines.length + 1, lines.length], fill: `${stroke}2e` });
      lines.push(
        { stroke: 'transparent', points: { show: false } },
        { stroke: 'transparent', points: { show: false } },
      );
    }
    if (stacked && lines.length > 1) bands.push({ series: [lines.length, lines.length - 1], fill: `${stroke}55` });
    lines.push({
      stroke,
      width: 1.6,
      ...(stacked && lines.length === 1 && { fill: `${stroke}55` }),
      points: { show: options.steps.length < 3, size: 5 },
    });
  }
  const axis: uPlot.Axis = {
    stroke: color('soft'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: color('faint'), width: 1 },
    ticks: { show: false },
  };
  const plot = new uPlot(
    {
      width: element.clientWidth,
      height,
      series: lines,
      bands,
      legend: { show: false },
      padding: [8, 8, 0, 0],
      scales: { x: { time: false }, y: { range: range ? [range[0], range[1] * 1.02] : valueRange } },
      axes: [
        { ...axis, size: 24, gap: 4, grid: { show: false } },
        { ...axis, size: 48, gap: 4, values: (_, ticks) => ticks.map((tick) => formatNumber(tick, format)) },
      ],
      cursor: {
        sync: { key: 'step' },
        y: false,
        points: { size: 6 },
        drag: { x: true, y: false },
      },
      hooks: { setCursor: [(self) => (cursor.value = self.cursor.idx ?? null)] },
    },
    columns(options),
    element,
  );
  plot.over.addEventListener('click', () => {
    const index = plot.cursor.idx;
    if (index !== null && index !== undefined && plot.select.width === 0) click(plot.data[0][index] as number);
  });
  return plot;
}

/** A little room above and below; a flat line is in the middle of a small range. */
function valueRange(_: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax {
  if (low === null || high === null) return [0, 1];
  if (low !== high) return uPlot.rangeNum(low, high, 0.1, true);
  return low === 0 ? [0, 1] : [low - Math.abs(low) * 0.1, high + Math.abs(high) * 0.1];
}

/** The data as uPlot wants it: steps, then each drawn line in the order of `draw`. */
function columns({ steps, series, stacked }: Pick<LineChartProps, 'steps' | 'series' | 'stacked'>): uPlot.AlignedData {
  const sums = steps.map(() => 0);
  const lines = series.flatMap(({ values, raw, low, high }): Column[] => {
    const main = stacked ? values.map((value, i) => (sums[i] = (sums[i] as number) + (value ?? 0))) : [...values];
    return [...(raw ? [[...raw]] : []), ...(low && high ? [[...low], [...high]] : []), main];
  });
  return [[...steps], ...lines];
}
