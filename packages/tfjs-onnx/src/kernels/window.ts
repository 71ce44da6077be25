import type { Graph, GraphValue } from '../graph/graph.js';

/**
 * Windows of length `reach` every `stride` along an axis of length `size`, from −padStart on, `count` of them: how far into
 * the axis they reach, and how far beyond it.
 */
export function window(
  size: number,
  count: number,
  stride: number,
  reach: number,
  padStart: number,
): { used: number; padEnd: number } {
  const covered = (count - 1) * stride + reach - padStart;
  return { used: Math.min(size, covered), padEnd: Math.max(0, covered - size) };
}

/** Positions `starts` to `ends` of the last axes of x [n, c, …]; from 0 on unless `starts` are given. */
export function crop(
  graph: Graph,
  x: GraphValue,
  ends: readonly number[],
  starts: readonly number[] = ends.map(() => 0),
): GraphValue {
  const kept = x.shape.length - ends.length;
  if (ends.every((end, i) => starts[i] === 0 && x.shape[kept + i] === end)) return x;
  const bounds = [[...starts], [...ends], ends.map((_, i) => kept + i)].map((each) => graph.integers(each));
  const sizes = ends.map((end, i) => end - starts[i]!);
  return graph.node('Slice', [x, ...bounds], { shape: [...x.shape.slice(0, kept), ...sizes], dtype: x.dtype });
}

/** x [n, c, h, w] followed by zeros. */
export function uncrop(graph: Graph, x: GraphValue, [height, width]: readonly number[]): GraphValue {
  const missing = [height! - x.shape[2]!, width! - x.shape[3]!];
  if (missing[0] === 0 && missing[1] === 0) return x;
  const pads = graph.integers([0, 0, 0, 0, 0, 0, ...missing]);
  const type = { shape: [x.shape[0]!, x.shape[1]!, height!, width!], dtype: x.dtype };
  return graph.node('Pad', [x, pads, graph.scalar(0, x.dtype)], type);
}
