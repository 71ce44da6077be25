/** Points and a line through them as a small SVG file that reads on light and dark pages. */

interface Point {
  x: number;
  y: number;
}

/** y = intercept + slope · x, drawn from 0 to `x` */
interface Line {
  x: number;
  intercept: number;
  slope: number;
}

const [WIDTH, HEIGHT] = [640, 360];
const plot = { left: 56, right: 624, top: 40, bottom: 308 };

export function scatterPlot(
  points: readonly Point[],
  line: Line,
  text: { title: string; x: string; y: string },
): string {
  const end = { x: line.x, y: line.intercept + line.slope * line.x };
  const xMax = Math.max(end.x, ...points.map(({ x }) => x));
  const yMax = Math.max(end.y, ...points.map(({ y }) => y)) * 1.1;
  const left = (x: number) => plot.left + (x / xMax) * (plot.right - plot.left);
  const top = (y: number) => plot.bottom - (y / yMax) * (plot.bottom - plot.top);
  const fixed = (value: number) => value.toFixed(1);
  const dots = points.map(({ x, y }) => `<circle cx="${fixed(left(x))}" cy="${fixed(top(y))}" r="3"/>`);
  const xTicks = ticks(xMax).map(
    (x) => `<text x="${fixed(left(x))}" y="${plot.bottom + 18}" text-anchor="middle">${x}</text>`,
  );
  const yTicks = ticks(yMax).map(
    (y) => `<text x="${plot.left - 8}" y="${fixed(top(y) + 4)}" text-anchor="end">${y}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#767676">
<title>${text.title}</title>
<text x="${plot.left}" y="22" font-size="14">${text.title}</text>
<path d="M${plot.left} ${plot.top}V${plot.bottom}H${plot.right}" fill="none" stroke="#767676"/>
${[...xTicks, ...yTicks].join('\n')}
<text x="${plot.right}" y="${HEIGHT - 12}" text-anchor="end">${text.x}</text>
<text x="${plot.left + 8}" y="${plot.top + 8}">${text.y}</text>
<path d="M${fixed(left(0))} ${fixed(top(line.intercept))}L${fixed(left(end.x))} ${fixed(top(end.y))}" stroke="#c2570c" stroke-width="1.5"/>
<g fill="#2563eb">${dots.join('')}</g>
</svg>
`;
}

/** Round numbers from 0 up, about five of them. */
function ticks(max: number): number[] {
  const rough = max / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough)!;
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}
