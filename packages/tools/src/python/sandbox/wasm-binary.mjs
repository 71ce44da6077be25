// @ts-check

const MEMORY_SECTION = 5;
const PAGE_BYTES = 65_536;

/**
 * The WebAssembly file with its memory's maximum lowered: the engine itself then refuses to grow beyond it.
 * @param {Uint8Array} wasm
 * @param {{ memoryLimitBytes: number }} options
 */
export function rewriteWasm(wasm, { memoryLimitBytes }) {
  const maximum = Math.floor(memoryLimitBytes / PAGE_BYTES);
  const parts = [wasm.subarray(0, 8)];
  for (const section of sections(wasm)) {
    if (section.id !== MEMORY_SECTION) {
      parts.push(wasm.subarray(section.start, section.end));
      continue;
    }
    const reader = createReader(wasm, section.body);
    const [count, flags, minimum] = [reader.unsigned(), reader.unsigned(), reader.unsigned()];
    if (count !== 1 || flags !== 1)
      throw new Error(`got ${count} memories with flags ${flags}, wanted one with a maximum`);
    if (maximum < minimum) {
      const smallest = (minimum * PAGE_BYTES) / 2 ** 20;
      throw new RangeError(
        `memoryLimitBytes: got ${memoryLimitBytes}, wanted at least ${smallest} MB, which Python needs to start`,
      );
    }
    const body = [...unsigned(1), ...unsigned(1), ...unsigned(minimum), ...unsigned(maximum)];
    parts.push(Uint8Array.from([MEMORY_SECTION, ...unsigned(body.length), ...body]));
  }
  return Buffer.concat(parts);
}

/** @param {Uint8Array} wasm */
function* sections(wasm) {
  for (let start = 8; start < wasm.length;) {
    const reader = createReader(wasm, start + 1);
    const length = reader.unsigned();
    const end = reader.position + length;
    yield { id: /** @type {number} */ (wasm[start]), start, body: reader.position, end };
    start = end;
  }
}

/** @param {Uint8Array} bytes @param {number} position */
function createReader(bytes, position) {
  return {
    get position() {
      return position;
    },
    /** LEB128 */
    unsigned() {
      let result = 0;
      for (let scale = 1; ; scale *= 128) {
        const byte = /** @type {number} */ (bytes[position++]);
        result += (byte & 0x7f) * scale;
        if (byte < 0x80) return result;
      }
    },
  };
}

/** @param {number} value @returns {number[]} LEB128 */
function unsigned(value) {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(Math.floor(value / 128))];
}
