// @ts-check

/** Reads the binary format of WebAssembly (core specification, chapter 5). @param {Uint8Array} bytes @param {number} [position] */
export function createReader(bytes, position = 0) {
  const byte = () => {
    const value = bytes[position++];
    if (value === undefined) throw new RangeError('the WebAssembly file ends too early');
    return value;
  };
  const unsigned = () => {
    let result = 0;
    for (let scale = 1; ; scale *= 128) {
      const next = byte();
      result += (next & 0x7f) * scale;
      if (next < 0x80) return result;
    }
  };
  /** Passes over a number of any sign and size. */
  const skipNumber = () => {
    while (byte() >= 0x80);
  };
  return {
    get position() {
      return position;
    },
    byte,
    unsigned,
    skipNumber,
    /** @param {number} count */
    skipNumbers(count) {
      for (let left = count; left > 0; left -= 1) skipNumber();
    },
    /** @param {number} count */
    skip(count) {
      position += count;
    },
    name() {
      const length = unsigned();
      position += length;
      return Buffer.from(bytes.subarray(position - length, position)).toString();
    },
    /** The start value of a global: passed over. */
    constantExpression() {
      for (let opcode = byte(); opcode !== 0x0b; opcode = byte()) {
        if (opcode === 0x43) position += 4;
        else if (opcode === 0x44) position += 8;
        else skipNumber();
      }
    },
  };
}

/** @typedef {ReturnType<typeof createReader>} Reader */

/** LEB128. @param {number} value @returns {number[]} */
export function unsigned(value) {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(Math.floor(value / 128))];
}

/** LEB128 of a number that may not be negative, where a signed one is wanted. @param {number} value @returns {number[]} */
export function signed(value) {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signed(Math.floor(value / 128))];
}

/** @param {string} text */
export function name(text) {
  const bytes = Buffer.from(text);
  return [...unsigned(bytes.length), ...bytes];
}

/** @param {(Uint8Array | number[])[]} entries */
export function vector(entries) {
  return Buffer.concat([Uint8Array.from(unsigned(entries.length)), ...entries.map((entry) => Uint8Array.from(entry))]);
}
