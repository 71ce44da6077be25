// @ts-check
/** @typedef {import('./interpreter.mjs').Snapshot} Snapshot */

const PAGE = 4096;

/**
 * Keeps the pages that are not all zero, about half of them, joined into stretches.
 * @param {Uint8Array} memory
 * @returns {{ start: number, bytes: Uint8Array }[]}
 */
export function stretchesOf(memory) {
  const zeros = Buffer.alloc(PAGE);
  const stretches = [];
  let from = -1;
  for (let start = 0; start <= memory.length; start += PAGE) {
    const page = memory.subarray(start, start + PAGE);
    const empty = page.length === 0 || zeros.compare(page) === 0;
    if (!empty && from < 0) from = start;
    if (empty && from >= 0) {
      stretches.push({ start: from, bytes: memory.slice(from, start) });
      from = -1;
    }
  }
  return stretches;
}

/** A header in JSON, its length before it, then the bytes. @param {Snapshot} snapshot */
export function encodeSnapshot({ stretches, ...rest }) {
  const table = stretches.map(({ start, bytes }) => [start, bytes.length]);
  const header = Buffer.from(JSON.stringify({ ...rest, table }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, header, ...stretches.map(({ bytes }) => bytes)]);
}

/** @param {Buffer} file @returns {Snapshot} */
export function decodeSnapshot(file) {
  let offset = 4 + file.readUInt32LE();
  const { table, ...rest } = JSON.parse(file.toString('utf8', 4, offset));
  const stretches = table.map((/** @type {[number, number]} */ [start, length]) => {
    offset += length;
    return { start, bytes: file.subarray(offset - length, offset) };
  });
  return { ...rest, stretches };
}
