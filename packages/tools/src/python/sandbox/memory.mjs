// @ts-check
import { ENAMETOOLONG, ErrnoError } from './errno.mjs';

/**
 * The WebAssembly memory as JavaScript reads it. Every pointer comes from code that may be hostile: reads beyond the
 * end give zeros or throw, writes beyond the end throw, and nothing but this memory can be reached.
 */
export function createMemoryView() {
  /** @type {WebAssembly.Memory | undefined} */
  let memory;
  let bytes = new Uint8Array(0);
  let view = new DataView(new ArrayBuffer(0));
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();

  /** The views after the memory has grown. */
  function refresh() {
    if (memory && bytes.buffer !== memory.buffer) {
      bytes = new Uint8Array(memory.buffer);
      view = new DataView(memory.buffer);
    }
  }

  return {
    /** @param {WebAssembly.Memory} newMemory */
    attach(newMemory) {
      memory = newMemory;
      refresh();
    },
    /** @returns {Uint8Array} */
    get bytes() {
      refresh();
      return bytes;
    },
    /** @returns {DataView} */
    get view() {
      refresh();
      return view;
    },
    /** @type {(pointer: number, length: number) => Uint8Array} */
    slice(pointer, length) {
      refresh();
      return bytes.subarray(pointer >>> 0, (pointer >>> 0) + (length >>> 0));
    },
    /** A path or name: text up to the next zero byte. @type {(pointer: number) => string} */
    text(pointer) {
      refresh();
      const start = pointer >>> 0;
      const end = bytes.subarray(start, start + 8192).indexOf(0);
      if (end < 0) throw new ErrnoError(ENAMETOOLONG);
      return decoder.decode(bytes.subarray(start, start + end));
    },
    /** Writes text and a zero byte; returns the bytes written, the zero included. @type {(text: string, pointer: number, room: number) => number} */
    writeText(text, pointer, room) {
      refresh();
      const start = pointer >>> 0;
      const target = bytes.subarray(start, start + Math.max(0, room - 1));
      const { written } = encoder.encodeInto(text, target);
      bytes[start + written] = 0;
      return written + 1;
    },
    /** @type {(size: number) => boolean} grows to at least `size` bytes */
    grow(size) {
      if (!memory) return false;
      const wanted = Math.ceil((size - memory.buffer.byteLength) / 65536);
      try {
        if (wanted > 0) memory.grow(wanted);
        return true;
      } catch {
        return false;
      }
    },
  };
}
/** @typedef {ReturnType<typeof createMemoryView>} MemoryView */
