/**
 * Memory of the KV cache. Sequences of similar length share a pool, whose rows all have one capacity (a rung of the
 * ladder), so the shape a row is computed in depends on its own length alone. A pool is a list of blocks; each block is, for
 * every layer, one tensor of keys and one of values, `[rowsPerBlock, K, capacity, d]`. Occupied rows are dense: the last
 * row moves into a hole. A run over the first n rows of a block needs no copy, since rows are outermost.
 */
import { cacheCapacity } from './ladder.js';
import { positionBytes } from './memory-budget.js';

export interface KvGeometry {
  layers: number;
  /** key/value heads */
  heads: number;
  headDim: number;
}

/** A place in the cache. `owner` is whatever the caller keeps there. */
export interface CacheRow<Owner> {
  owner: Owner;
  pool: CachePool<Owner>;
  index: number;
}

export interface CachePool<Owner> {
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

/** Rows of a block, `[rows, K, capacity, d]`, sharing its memory. The same rows are always the same object. */
export interface CacheView extends LayerMemory {
  shape: number[];
}

/** New positions, `[rows, K, positions, d]`. */
export interface NewEntries extends LayerMemory {
  positions: number;
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
  const blockBytes = (capacity: number) => rowsPerBlock * capacity * positionBytes(geometry);

  function pool(capacity: number): CachePool<Owner> {
    let found = pools.get(capacity);
    if (!found) pools.set(capacity, (found = { capacity, rows: [], blocks: [] }));
    return found;
  }

  function blockOf({ blocks }: CachePool<Owner>, index: number): CacheBlock {
    return blocks[Math.floor(index / rowsPerBlock)] as CacheBlock;
  }

  function place(owner: Owner, capacity: number): CacheRow<Owner> | undefined {
    const target = pool(capacity);
    if (target.rows.length === target.blocks.length * rowsPerBlock) {
      if (bytes + blockBytes(capacity) > maxBytes) return undefined;
      const tensors = () =>
        Array.from({ length: layers }, () => new Float32Array(rowsPerBlock * heads * capacity * headDim));
      target.blocks.push({ keys: tensors(), values: tensors(), views: new Map() });
      bytes += blockBytes(capacity);
    }
    const row = { owner, pool: target, index: target.rows.length };
    target.rows.push(row);
    return row;
  }

  /** Each tensor of the row's block, and where the row starts in it. */
  function* tensorsOf({ pool: source, index }: CacheRow<Owner>): Generator<[Float32Array, number]> {
    const block = blockOf(source, index);
    const start = (index % rowsPerBlock) * heads * source.capacity * headDim;
    for (const tensor of block.keys) yield [tensor, start];
    for (const tensor of block.values) yield [tensor, start];
  }

  function copyPositions(from: CacheRow<Owner>, to: CacheRow<Owner>, positions: number): void {
    const sources = tensorsOf(from);
    for (const [target, targetStart] of tensorsOf(to)) {
      const [source, sourceStart] = sources.next().value as [Float32Array, number];
      for (let head = 0; head < heads; head++) {
        const at = sourceStart + head * from.pool.capacity * headDim;
        target.set(source.subarray(at, at + positions * headDim), targetStart + head * to.pool.capacity * headDim);
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
    for (const { rows, blocks, capacity } of pools.values()) {
      while (rows.length <= (blocks.length - 1) * rowsPerBlock) {
        blocks.pop();
        bytes -= blockBytes(capacity);
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
    blockBytes,
    /** A row of the given capacity, or `undefined` when it would take the cache over its limit. Its contents are undefined. */
    place,
    /** Gives the row up; another row of its pool may move. Its block stays allocated until `trim`. */
    remove,
    trim,
    /** Copies the first positions of a row to another, whatever their capacities. */
    copyPositions,
    /** Moves a row to the next capacity; `undefined` (and no change) when there is no room. */
    grow(row: CacheRow<Owner>): CacheRow<Owner> | undefined {
      const larger = place(row.owner, cacheCapacity(row.pool.capacity + 1));
      if (!larger) return undefined;
      copyPositions(row, larger, row.owner.cached);
      remove(row);
      return larger;
    },
    /** Exchanges two rows of one pool. */
    swap(a: CacheRow<Owner>, b: CacheRow<Owner>): void {
      const size = heads * a.pool.capacity * headDim;
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
    /** Writes the first `count` new positions of entry `from` at `position…` of the row. */
    write(row: CacheRow<Owner>, position: number, entries: NewEntries, from: number, count: number): void {
      const { capacity } = row.pool;
      const { keys, values } = blockOf(row.pool, row.index);
      const start = (row.index % rowsPerBlock) * heads * capacity * headDim + position * headDim;
      const source = from * heads * entries.positions * headDim;
      const copyHeads = (added: Float32Array, target: Float32Array) => {
        for (let head = 0; head < heads; head++) {
          let at = source + head * entries.positions * headDim;
          let to = start + head * capacity * headDim;
          for (const end = to + count * headDim; to < end;) target[to++] = added[at++] as number;
        }
      };
      for (let layer = 0; layer < layers; layer++) {
        copyHeads(entries.keys[layer] as Float32Array, keys[layer] as Float32Array);
        copyHeads(entries.values[layer] as Float32Array, values[layer] as Float32Array);
      }
    },
    /** `count` rows from `first` on, all in one block, by layer, without a copy. */
    view(source: CachePool<Owner>, first: number, count: number): CacheView {
      const { keys, values, views } = blockOf(source, first);
      const known = views.get(`${first % rowsPerBlock}+${count}`);
      if (known) return known;
      const rowSize = heads * source.capacity * headDim;
      const start = (first % rowsPerBlock) * rowSize;
      const part = (tensor: Float32Array) => tensor.subarray(start, start + count * rowSize);
      const view = { keys: keys.map(part), values: values.map(part), shape: [count, heads, source.capacity, headDim] };
      views.set(`${first % rowsPerBlock}+${count}`, view);
      return view;
    },
  };
}
