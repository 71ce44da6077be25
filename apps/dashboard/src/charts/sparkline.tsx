/** A small line without axes; the numbers are beside it. */
export function Sparkline({
  values,
  width = 110,
  height = 22,
}: {
  values: readonly number[];
  width?: number;
  height?: number;
}) {
  const known = values.filter(Number.isFinite);
  if (known.length < 2) return <span class="soft">–</span>;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const x = (i: number) => (i / (values.length - 1)) * (width - 4) + 2;
  const y = (value: number) => height - 3 - ((value - low) / (high - low || 1)) * (height - 6);
  const points = values.flatMap((value, i) =>
    Number.isFinite(value) ? [`${x(i).toFixed(1)},${y(value).toFixed(1)}`] : [],
  );
  return (
    <svg class="sparkline" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <polyline points={points.join(' ')} />
      <circle cx={points.at(-1)?.split(',')[0]} cy={points.at(-1)?.split(',')[1]} r="2" />
    </svg>
  );
}
