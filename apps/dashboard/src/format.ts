/** How a metric is written. */
export type NumberFormat = 'number' | 'percent' | 'seconds' | 'milliseconds' | 'bytes' | 'integer';

/** Four significant digits at most, no trailing zeros; tiny and huge numbers with an exponent. */
export function formatNumber(value: number | null | undefined, format: NumberFormat = 'number'): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  switch (format) {
    case 'percent':
      return `${plain(100 * value, 3)}%`;
    case 'seconds':
      return value < 120 ? `${plain(value, 3)} s` : duration(value);
    case 'milliseconds':
      return value < 1000 ? `${plain(value, value < 1 ? 1 : 3)} ms` : `${plain(value / 1000, 3)} s`;
    case 'bytes':
      return value < 1e9 ? `${plain(value / 1e6, 3)} MB` : `${plain(value / 1e9, 3)} GB`;
    case 'integer':
      return minus(Math.round(value).toLocaleString('en'));
    default:
      return plain(value, 4);
  }
}

function plain(value: number, digits: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return minus(value.toExponential(1).replace('e+', 'e'));
  if (size >= 1e4) return minus(`${Number((value / 1000).toPrecision(digits))}K`);
  return minus(String(Number(value.toPrecision(digits))));
}

function minus(text: string): string {
  return text.replaceAll('-', '−');
}

/** `1 h 05 min`, `12 min`, `40 s`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** `3 rollouts`, `1 rollout` */
export function count(n: number, noun: string): string {
  return `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;
}
