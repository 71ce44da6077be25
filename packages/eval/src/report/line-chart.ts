import { escapeHtml } from './escape.js';
import { formatNumber } from './numbers.js';
import type { NumberFormat } from './numbers.js';

export interface Series {
  /** empty for the only series of a chart */
  name: string;
  points: readonly { x: number; y: number }[];
}

interface LineChartOptions {
  title: string;
  format?: NumberFormat;
}

const WIDTH = 320;
const HEIGHT = 132;
const PLOT = { left: 2, right: 276, top: 8, bottom: 108 };
/** y labels stand right of the plot */
const LABEL_X = 282;
const COLORS = 6;

/** A small chart over training steps as inline SVG: thin lines as measured, with a smoothed one on top when long. */
export function lineChart(series: readonly Series[], { title, format = 'plain' }: LineChartOptions): string {
  const drawn = series
    .map((line) => ({ ...line, points: line.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)) }))
    .filter((line) => line.points.length > 0);
  const all = drawn.flatMap((line) => line.points);
  if (all.length === 0) return '';
  const [xMin, xMax] = extent(all.map((point) => point.x));
  const [yMin, yMax] = extent(all.map((point) => point.y));
  const place = ({ x, y }: { x: number; y: number }): string => {
    const px = xMax > xMin ? (x - xMin) / (xMax - xMin) : 0.5;
    const py = yMax > yMin ? (y - yMin) / (yMax - yMin) : 0.5;
    const left = PLOT.left + px * (PLOT.right - PLOT.left);
    return `${left.toFixed(1)},${(PLOT.bottom - py * (PLOT.bottom - PLOT.top)).toFixed(1)}`;
  };
  const lines = drawn.map(({ points }, i) => {
    const path = (list: readonly { x: number; y: number }[]): string => list.map(place).join(' ');
    const color = `s${i % COLORS}`;
    if (points.length === 1) {
      const [cx, cy] = path(points).split(',');
      return `<circle class="${color} dot" cx="${cx}" cy="${cy}" r="2.5"/>`;
    }
    if (points.length < 24) return `<polyline class="${color} line" points="${path(points)}"/>`;
    return `<polyline class="${color} line raw" points="${path(points)}"/><polyline class="${color} line" points="${path(smooth(points))}"/>`;
  });
  const lastValue = ({ points }: Series): string => formatNumber(points.at(-1)?.y ?? NaN, format);
  const last = drawn.length === 1 ? drawn.map(lastValue).join('') : '';
  const legend = drawn
    .filter(({ name }) => name !== '')
    .map((line, i) => `<span class="s${i % COLORS}">${escapeHtml(line.name)} <b>${lastValue(line)}</b></span>`);
  const label = `${title}: ${formatNumber(yMin, format)} to ${formatNumber(yMax, format)} over steps ${xMin} to ${xMax}`;
  return `<figure class="chart"><figcaption><span>${escapeHtml(title)}</span><b>${last}</b></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(label)}">
<path class="axis" d="M${PLOT.left} ${PLOT.top}H${PLOT.right}M${PLOT.left} ${PLOT.bottom}H${PLOT.right}"/>
${lines.join('\n')}
<text class="tick" x="${LABEL_X}" y="${PLOT.top + 4}">${formatNumber(yMax, format)}</text>
<text class="tick" x="${LABEL_X}" y="${PLOT.bottom + 4}">${yMax > yMin ? formatNumber(yMin, format) : ''}</text>
<text class="tick" x="${PLOT.left}" y="${HEIGHT - 6}">step ${xMin}</text>
<text class="tick" x="${PLOT.right}" y="${HEIGHT - 6}" text-anchor="end">${xMax}</text>
</svg>${legend.length > 0 ? `<div class="legend">${legend.join('')}</div>` : ''}</figure>`;
}

/** mean over a window of a tenth of the points, centred */
function smooth(points: readonly { x: number; y: number }[]): { x: number; y: number }[] {
  const reach = Math.floor(points.length / 20);
  return points.map(({ x }, i) => {
    const window = points.slice(Math.max(0, i - reach), i + reach + 1);
    return { x, y: window.reduce((sum, point) => sum + point.y, 0) / window.length };
  });
}

function extent(values: readonly number[]): [number, number] {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}
