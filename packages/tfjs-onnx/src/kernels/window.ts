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

/** The first rows and columns of x [n, c, h, w]. */
export function crop(graph: Graph, x: GraphValue, [height, width]: readonly number[]): GraphValue {
  if (x.shape[2] === height && x.shape[3] === width) return x;
  const bounds = [
    [0, 0],
    [height!, width!],
    [2, 3],
  ].map((each) => graph.integers(each));
  return graph.node('Slice', [x, ...bounds], { shape: [x.shape[0]!, x.shape[1]!, height!, width!], dtype: x.dtype });
}

/** x [n, c, h, w] followed by zeros. */
export function uncrop(graph: Graph, x: GraphValue, [height, width]: readonly number[]): GraphValue {
  const missing = [height! - x.shape[2]!, width! - x.shape[3]!];
  if (missing[0] === 0 && missing[1] === 0) return x;
  const pads = graph.integers([0, 0, 0, 0, 0, 0, ...missing]);
  const type = { shape: [x.shape[0]!, x.shape[1]!, height!, width!], dtype: x.dtype };
  return graph.node('Pad', [x, pads, graph.scalar(0, x.dtype)], type);
}
