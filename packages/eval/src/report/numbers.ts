import type { Estimate } from '../metrics/bootstrap.js';

export type NumberFormat = 'percent' | 'plain';

/** 0.6234 → "62.3%"; 1234.5 → "1,235"; 0.001234 → "0.00123"; −2 with a real minus */
export function formatNumber(value: number, format: NumberFormat = 'plain'): string {
  if (!Number.isFinite(value)) return '–';
  const text = format === 'percent' ? `${(value * 100).toFixed(1)}%` : significant(value);
  return text.replace(/^-/, '−');
}

function significant(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1000) return Math.round(value).toLocaleString('en-US');
  if (magnitude > 0 && magnitude < 1e-4) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

/** "+12.3 points" for shares, "+0.45" otherwise */
export function formatChange(from: number, to: number, format: NumberFormat = 'plain'): string {
  const change = to - from;
  const text = formatNumber(change, format).replace('%', '');
  const signed = Math.abs(change) < 1e-9 ? '±0' : `${change > 0 ? '+' : ''}${text}`;
  return format === 'percent' ? `${signed} points` : signed;
}

/** "62.3% (58.0–66.5)" */
export function formatEstimate({ value, low, high }: Estimate, format: NumberFormat = 'plain'): string {
  const bound = (x: number): string => formatNumber(x, format).replace('%', '');
  return `${formatNumber(value, format)} (${bound(low)}–${bound(high)})`;
}

/** "sampledTokensPerSecond" → "sampled tokens per second" */
export function words(key: string): string {
  return key.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
}
