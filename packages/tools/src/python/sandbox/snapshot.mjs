// @ts-check
/** @typedef {import('./interpreter.mjs').Snapshot} Snapshot */

const PAGE = 4096;

/** @typedef {{ start: number, bytes: Uint8Array }} Stretch */

/**
 * The pages that differ from an earlier state of the memory, joined into stretches. Without one: those that are not all
 * zero, about half.
 * @param {Uint8Array} memory
 * @param {readonly Stretch[]} [before] the earlier state; zero between its stretches
 * @returns {Stretch[]}
 */
export function stretchesOf(memory, before = []) {
  const zeros = Buffer.alloc(PAGE);
  const stretches = [];
  let from = -1;
  let next = 0;
  for (let start = 0; start <= memory.length; start += PAGE) {
    const page = memory.subarray(start, start + PAGE);
    let known = before[next];
    if (known && known.start + known.bytes.length <= start) known = before[(next += 1)];
    const old =
      known && known.start <= start ? known.bytes.subarray(start - known.start, start - known.start + PAGE) : zeros;
    const same = page.length === 0 || Buffer.compare(page, old) === 0;
    if (!same && from < 0) from = start;
    if (same && from >= 0) {
      stretches.push({ start: from, bytes: memory.slice(from, start) });
      from = -1;
    }
  }
  return stretches;
}

/** A header in JSON, its length before it, then the bytes. @param {{ stretches: Stretch[], [key: string]: unknown }} snapshot */
export function encodeSnapshot({ stretches, ...rest }) {
  const table = stretches.map(({ start, bytes }) => [start, bytes.length]);
  const header = Buffer.from(JSON.stringify({ ...rest, table }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, header, ...stretches.map(({ bytes }) => bytes)]);
}

/** What `encodeSnapshot` was given. @template {{ stretches: Stretch[] }} [Encoded=Snapshot] @param {Buffer} file @returns {Encoded} */
export function decodeSnapshot(file) {
  let offset = 4 + file.readUInt32LE();
  const { table, ...rest } = JSON.parse(file.toString('utf8', 4, offset));
  const stretches = table.map((/** @type {[number, number]} */ [start, length]) => {
    offset += length;
    return { start, bytes: file.subarray(offset - length, offset) };
  });
  return { ...rest, stretches };
}
