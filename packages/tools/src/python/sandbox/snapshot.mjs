// @ts-check
/** @typedef {import('./interpreter.mjs').Snapshot} Snapshot */

const PAGE = 4096;
const HEADER_WORDS = 4;

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

/** Header (memory size, stack pointer, run, number of stretches), then start and length of each, then their bytes. @param {Snapshot} snapshot */
export function encodeSnapshot({ memoryBytes, stackPointer, run, stretches }) {
  const table = stretches.flatMap(({ start, bytes }) => [start, bytes.length]);
  const words = Uint32Array.from([memoryBytes, stackPointer, run, stretches.length, ...table]);
  return Buffer.concat([new Uint8Array(words.buffer), ...stretches.map(({ bytes }) => bytes)]);
}

/** @param {Buffer} file @returns {Snapshot} */
export function decodeSnapshot(file) {
  const word = (/** @type {number} */ index) => file.readUInt32LE(index * 4);
  const count = word(3);
  let offset = (HEADER_WORDS + 2 * count) * 4;
  const stretches = Array.from({ length: count }, (_, index) => {
    const length = word(HEADER_WORDS + 2 * index + 1);
    const bytes = file.subarray(offset, offset + length);
    offset += length;
    return { start: word(HEADER_WORDS + 2 * index), bytes };
  });
  return { memoryBytes: word(0), stackPointer: word(1), run: word(2), stretches };
}
