import { expect, it } from 'vitest';

import { createKvCache } from '../../src/engine/kv-cache.js';

const geometry = { layers: 3, heads: 2, headDim: 4 };

// Many allocations of a block's tensors would be reused and cleared by the C library, all rows at once: 1.9 GB of a 135M model's
// cache became resident for 4 sequences of 512 tokens, where one allocation takes 0.1.
it('a block is one allocation, and its tensors do not overlap', () => {
  const cache = createKvCache(geometry, { maxBytes: 1e6, rowsPerBlock: 4 });
  const row = cache.place({ cached: 0 }, 10)!;
  const { keys, values, shape } = cache.view(row.pool, 0, 4);
  const tensors = [...keys, ...values];
  expect(shape).toEqual([4, 2, 64, 4]);
  expect(new Set(tensors.map(({ buffer }) => buffer)).size).toBe(1);
  expect(tensors[0]?.buffer.byteLength).toBe(cache.bytes);
  tensors.forEach((tensor, i) => tensor.fill(i + 1));
  expect(tensors.map((tensor) => new Set(tensor))).toEqual(tensors.map((_, i) => new Set([i + 1])));
});

it('a row keeps its positions when it grows and when another leaves', () => {
  const cache = createKvCache<{ cached: number }>(geometry, { maxBytes: 1e6, rowsPerBlock: 4 });
  const [first, second] = [cache.place({ cached: 2 }, 10)!, cache.place({ cached: 2 }, 10)!];
  // positions 0 and 1 of the second row, head 0, layer 2: [8, 9, 10, 11], [12, …]
  const positions = Float32Array.of(8, 9, 10, 11, 12, 13, 14, 15);
  cache.view(second.pool, 1, 1).values[2]!.set(positions);
  cache.remove(first);
  expect(cache.view(second.pool, 0, 1).values[2]!.slice(0, 8)).toEqual(positions);
  const grown = cache.grow(second)!;
  expect(grown.pool.columns).toBe(96);
  expect(cache.view(grown.pool, 0, 1).values[2]!.slice(0, 8)).toEqual(positions);
});
