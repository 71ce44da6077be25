/**
 * Memory of the KV cache. Sequences of similar length share a pool, whose rows all have one number of columns (a rung of the
 * ladder), so the shape a row is computed in depends on its own length alone. A pool is a list of blocks; each block is, for
 * every layer, one tensor of keys and one of values, `[rowsPerBlock, K, columns, d]`. Occupied rows are dense: the last
 * row moves into a hole. A run over the first n rows of a block needs no copy, since rows are outermost; the compiled step writes
 * new positions there itself.
 */
import { cacheColumns } from './ladder.js';
import { positionBytes } from './kv-geometry.js';
import type { KvGeometry } from './kv-geometry.js';

/** A place in the cache. `owner` is whatever the caller keeps there. */
export interface CacheRow<Owner> {
  owner: Owner;
  pool: CachePool<Owner>;
  index: number;
}

export interface CachePool<Owner> {
  readonly columns: number;
  /** positions that a row holds: the last column belongs to no sequence, and takes what is fed for none */
  readonly capacity: number;
  readonly rows: CacheRow<Owner>[];
  readonly blocks: CacheBlock[];
}

export interface KvCacheOptions {
  /** memory of all blocks */
  maxBytes: number;
  rowsPerBlock: number;
}

/** Keys and values by layer. */
interface LayerMemory {
  keys: Float32Array[];
  values: Float32Array[];
}

interface CacheBlock extends LayerMemory {
  /** made so far, by first row and number of rows */
  views: Map<string, CacheView>;
}

/** Rows of a block, `[rows, K, columns, d]`, sharing its memory. The same rows are always the same object. */
export interface CacheView extends LayerMemory {
  shape: number[];
}

export type KvCacheMemory<Owner extends { cached: number }> = ReturnType<typeof createKvCache<Owner>>;

/** An owner says how many of its positions are worth keeping when its row moves. */
export function createKvCache<Owner extends { cached: number }>(
  geometry: KvGeometry,
  { maxBytes, rowsPerBlock }: KvCacheOptions,
) {
  const { layers, heads, headDim } = geometry;
  const pools = new Map<number, CachePool<Owner>>();
  let bytes = 0;
  const bytesOf = (columns: number) => rowsPerBlock * columns * positionBytes(geometry);

  function pool(columns: number): CachePool<Owner> {
    let found = pools.get(columns);
    if (!found) pools.set(columns, (found = { columns, capacity: columns - 1, rows: [], blocks: [] }));
    return found;
  }

  /**
   * All tensors of a block in one allocation: the system gives so large a one page by page, as rows are used. Smaller ones may be memory
   * that was used before, and is cleared at once.
   */
  function blockMemory(columns: number): LayerMemory {
    const memory = new ArrayBuffer(bytesOf(columns));
    const size = rowsPerBlock * heads * columns * headDim;
    const tensors = Array.from({ length: 2 * layers }, (_, i) => new Float32Array(memory, 4 * i * size, size));
    return { keys: tensors.slice(0, layers), values: tensors.slice(layers) };
  }

  function blockOf({ blocks }: CachePool<Owner>, index: number): CacheBlock {
    return blocks[Math.floor(index / rowsPerBlock)] as CacheBlock;
  }

  function place(owner: Owner, length: number): CacheRow<Owner> | undefined {
    const columns = cacheColumns(length);
    const target = pool(columns);
    if (target.rows.length === target.blocks.length * rowsPerBlock) {
      if (bytes + bytesOf(columns) > maxBytes) return undefined;
      target.blocks.push({ ...blockMemory(columns), views: new Map() });
      bytes += bytesOf(columns);
    }
    const row = { owner, pool: target, index: target.rows.length };
    target.rows.push(row);
    return row;
  }

  /** Each tensor of the row's block, and where the row starts in it. */
  function* tensorsOf({ pool: source, index }: CacheRow<Owner>): Generator<[Float32Array, number]> {
    const block = blockOf(source, index);
    const start = (index % rowsPerBlock) * heads * source.columns * headDim;
    for (const tensor of block.keys) yield [tensor, start];
    for (const tensor of block.values) yield [tensor, start];
  }

  function copyPositions(from: CacheRow<Owner>, to: CacheRow<Owner>, positions: number): void {
    const sources = tensorsOf(from);
    for (const [target, targetStart] of tensorsOf(to)) {
      const [source, sourceStart] = sources.next().value as [Float32Array, number];
      for (let head = 0; head < heads; head++) {
        const at = sourceStart + head * from.pool.columns * headDim;
        target.set(source.subarray(at, at + positions * headDim), targetStart + head * to.pool.columns * headDim);
      }
    }
  }

  function remove(row: CacheRow<Owner>): void {
    const { pool: from, index } = row;
    const last = from.rows.pop() as CacheRow<Owner>;
    if (last !== row) {
      copyPositions(last, row, last.owner.cached);
      last.index = index;
      from.rows[index] = last;
    }
  }

  /** Frees blocks without rows. */
  function trim(): void {
    for (const { rows, blocks, columns } of pools.values()) {
      while (rows.length <= (blocks.length - 1) * rowsPerBlock) {
        blocks.pop();
        bytes -= bytesOf(columns);
      }
    }
  }

  return {
    rowsPerBlock,
    pools: (): Iterable<CachePool<Owner>> => pools.values(),
    get bytes() {
      return bytes;
    },
    maxBytes,
    /** memory of a block whose rows hold `length` positions */
    blockBytes: (length: number) => bytesOf(cacheColumns(length)),
    /** A row that holds `length` positions, or `undefined` when it would take the cache over its limit. It holds zeros, or what others left. */
    place,
    /** Gives the row up; another row of its pool may move. Its block stays allocated until `trim`. */
    remove,
    trim,
    /** Copies the first positions of a row to another, whatever their capacities. */
    copyPositions,
    /** Moves a row to the next capacity; `undefined` (and no change) when there is no room. */
    grow(row: CacheRow<Owner>): CacheRow<Owner> | undefined {
      const larger = place(row.owner, row.pool.capacity + 1);
      if (!larger) return undefined;
      copyPositions(row, larger, row.owner.cached);
      remove(row);
      return larger;
    },
    /** Exchanges two rows of one pool. */
    swap(a: CacheRow<Owner>, b: CacheRow<Owner>): void {
      const size = heads * a.pool.columns * headDim;
      const others = tensorsOf(b);
      for (const [left, leftStart] of tensorsOf(a)) {
        const [right, rightStart] = others.next().value as [Float32Array, number];
        const saved = left.slice(leftStart, leftStart + size);
        left.set(right.subarray(rightStart, rightStart + size), leftStart);
        right.set(saved, rightStart);
      }
      [a.index, b.index] = [b.index, a.index];
      a.pool.rows[a.index] = a;
      a.pool.rows[b.index] = b;
    },
    /** `count` rows from `first` on, all in one block, by layer, without a copy. */
    view(source: CachePool<Owner>, first: number, count: number): CacheView {
      const { keys, values, views } = blockOf(source, first);
      const known = views.get(`${first % rowsPerBlock}+${count}`);
      if (known) return known;
      const rowSize = heads * source.columns * headDim;
      const start = (first % rowsPerBlock) * rowSize;
      const part = (tensor: Float32Array) => tensor.subarray(start, start + count * rowSize);
      const view = { keys: keys.map(part), values: values.map(part), shape: [count, heads, source.columns, headDim] };
      views.set(`${first % rowsPerBlock}+${count}`, view);
      return view;
    },
  };
}
