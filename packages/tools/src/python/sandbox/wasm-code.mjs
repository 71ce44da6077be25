// @ts-check
import { createReader, signed, unsigned } from './wasm-encoding.mjs';

const LOOP = 0x03;
const I32_CONST = 0x41;

/**
 * Makes every loop count its turns: each starts with `if (--fuel == 0) tick()`, written into the code section.
 * `fuel` is the index of a mutable i32 global, `tick` the instructions of the call.
 *
 * Every instruction is decoded, since operands may contain any byte. What is not known is an error, and so is an
 * instruction that changes table 0, the table of functions: that table must stay as it was for calls to come.
 *
 * @param {Uint8Array} section body of the code section
 * @param {{ fuel: number, tick: readonly number[] }} meter
 */
export function meterLoops(section, { fuel, tick }) {
  const fuelIndex = unsigned(fuel);
  const decrement = [0x23, ...fuelIndex, I32_CONST, 1, 0x6b, 0x24, ...fuelIndex]; // global.get, i32.const 1, i32.sub, global.set
  const check = [0x23, ...fuelIndex, 0x45, 0x04, 0x40, ...tick, 0x0b]; // global.get, i32.eqz, if, …, end
  const meter = Uint8Array.from([...decrement, ...check]);
  const reader = createReader(section);
  const count = reader.unsigned();
  /** @type {Uint8Array[]} */
  const parts = [Uint8Array.from(unsigned(count))];
  for (let index = 0; index < count; index += 1) {
    const size = reader.unsigned();
    const start = reader.position;
    const end = start + size;
    const loops = findLoops(reader, end);
    parts.push(Uint8Array.from(unsigned(size + loops.length * meter.length)));
    let from = start;
    for (const loop of loops) {
      parts.push(section.subarray(from, loop), meter);
      from = loop;
    }
    parts.push(section.subarray(from, end));
  }
  return Buffer.concat(parts);
}

/** `call`, of a function without parameters and results. @param {number} index */
export const callFunction = (index) => [0x10, ...unsigned(index)];
/** `call_indirect` of what stands at `slot` in table 0. @param {number} slot @param {number} type index of () → () */
export const callSlot = (slot, type) => [I32_CONST, ...signed(slot), 0x11, ...unsigned(type), 0];

/** Positions right after each `loop` of one function. @param {import('./wasm-encoding.mjs').Reader} reader @param {number} end */
function findLoops(reader, end) {
  const loops = [];
  for (let groups = reader.unsigned(); groups > 0; groups -= 1) {
    reader.unsigned();
    reader.skipNumber();
  }
  while (reader.position < end) {
    const opcode = reader.byte();
    skipOperands(reader, opcode);
    if (opcode === LOOP) loops.push(reader.position);
  }
  if (reader.position !== end) throw new Error(`a function was misread: it ends at ${end}, not ${reader.position}`);
  return loops;
}

/** @param {import('./wasm-encoding.mjs').Reader} reader @param {number} opcode */
function skipOperands(reader, opcode) {
  const repeat = (/** @type {number} */ times) => {
    for (let left = times; left > 0; left -= 1) reader.skipNumber();
  };
  if (opcode >= 0x45 && opcode <= 0xc4) return; // arithmetic
  if (opcode >= 0x28 && opcode <= 0x3e) return skipMemoryArgument(reader);
  switch (opcode) {
    case 0x00: // unreachable
    case 0x01: // nop
    case 0x05: // else
    case 0x0a: // throw_ref
    case 0x0b: // end
    case 0x0f: // return
    case 0x19: // catch_all
    case 0x1a: // drop
    case 0x1b: // select
    case 0xd1: // ref.is_null
      return;
    case 0x02: // block
    case LOOP:
    case 0x04: // if
    case 0x06: // try
    case 0x07: // catch
    case 0x08: // throw
    case 0x09: // rethrow
    case 0x0c: // br
    case 0x0d: // br_if
    case 0x10: // call
    case 0x12: // return_call
    case 0x18: // delegate
    case 0x20: // local.get
    case 0x21: // local.set
    case 0x22: // local.tee
    case 0x23: // global.get
    case 0x24: // global.set
    case 0x25: // table.get
    case 0x3f: // memory.size
    case 0x40: // memory.grow
    case I32_CONST:
    case 0x42: // i64.const
    case 0xd0: // ref.null
    case 0xd2: // ref.func
      return repeat(1);
    case 0x26: // table.set
      return refuseTable0(reader.unsigned());
    case 0x11: // call_indirect
    case 0x13: // return_call_indirect
      return repeat(2);
    case 0x0e: // br_table
      return repeat(reader.unsigned() + 1);
    case 0x1c: // select with types
      return repeat(reader.unsigned());
    case 0x43: // f32.const
      return reader.skip(4);
    case 0x44: // f64.const
      return reader.skip(8);
    case 0xfc:
      return skipBulkOperands(reader);
    case 0xfd:
      return skipVectorOperands(reader);
    default:
      throw new Error(`got the unknown WebAssembly instruction 0x${opcode.toString(16)}`);
  }
}

/** @param {import('./wasm-encoding.mjs').Reader} reader */
function skipMemoryArgument(reader) {
  if (reader.unsigned() & 64) reader.unsigned();
  reader.skipNumber();
}

/** @param {import('./wasm-encoding.mjs').Reader} reader */
function skipBulkOperands(reader) {
  const opcode = reader.unsigned();
  if (opcode <= 7) return; // saturating conversions
  if (opcode === 11 || opcode === 16) return reader.skipNumber(); // memory.fill, table.size
  if (opcode === 10) return reader.skip(2); // memory.copy
  if (opcode === 15 || opcode === 17) return refuseTable0(reader.unsigned()); // table.grow, table.fill
  throw new Error(`got the unknown WebAssembly instruction 0xfc ${opcode}`);
}

/** Fixed-width SIMD. @param {import('./wasm-encoding.mjs').Reader} reader */
function skipVectorOperands(reader) {
  const opcode = reader.unsigned();
  if (opcode <= 11 || opcode === 92 || opcode === 93) return skipMemoryArgument(reader);
  if (opcode === 12 || opcode === 13) return reader.skip(16); // v128.const, i8x16.shuffle
  if (opcode >= 21 && opcode <= 34) return reader.skip(1); // lanes
  if (opcode >= 84 && opcode <= 91) {
    skipMemoryArgument(reader);
    return reader.skip(1);
  }
  if (opcode > 0xff) throw new Error(`got the unknown WebAssembly instruction 0xfd ${opcode}`);
}

/** @param {number} table */
function refuseTable0(table) {
  if (table === 0) throw new Error('got an instruction that changes the table of functions');
}
