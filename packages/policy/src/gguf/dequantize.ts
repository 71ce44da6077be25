/**
 * Dequantisation of ggml's block formats to float32 (layouts: ggml-common.h and ggml-quants.c of llama.cpp).
 * A block holds a fixed number of weights as small integers with one or two float16 scales.
 */
import { bfloat16ToFloat32, float16ToFloat32 } from '../half-precision.js';

interface BlockFormat {
  /** bytes of one block */
  bytes: number;
  /** weights in one block */
  weights: number;
  /** Converts `blocks` blocks from the start of `source` (2-byte aligned) to `target` at `offset`. */
  dequantize(source: Uint8Array, blocks: number, target: Float32Array, offset: number): void;
}

/** The formats that are read, by ggml's name. */
export const blockFormats: Record<string, BlockFormat> = {
  F32: plain(4, (source, target, offset) => new Uint8Array(target.buffer, target.byteOffset + offset * 4).set(source)),
  F16: plain(2, (source, target, offset) => float16ToFloat32(words(source), target, offset)),
  BF16: plain(2, (source, target, offset) => bfloat16ToFloat32(words(source), target, offset)),

  // d·q: int8 q
  Q8_0: quantized(34, 32, (block, target, at) => {
    const d = half(block, 0);
    for (let i = 0; i < 32; i++) target[at + i] = d * int8(block[2 + i]);
  }),
  // d·(q − 8): low nibbles are the first 16 weights, high nibbles the other 16
  Q4_0: quantized(18, 32, (block, target, at) => {
    const d = half(block, 0);
    for (let i = 0; i < 16; i++) {
      target[at + i] = d * (low(block[2 + i]) - 8);
      target[at + 16 + i] = d * (high(block[2 + i]) - 8);
    }
  }),
  // d·q + m
  Q4_1: quantized(20, 32, (block, target, at) => {
    const d = half(block, 0);
    const m = half(block, 2);
    for (let i = 0; i < 16; i++) {
      target[at + i] = d * low(block[4 + i]) + m;
      target[at + 16 + i] = d * high(block[4 + i]) + m;
    }
  }),
  // As Q4_0 and Q4_1, with the fifth bit of each weight in a word of 32 bits
  Q5_0: quantized(22, 32, (block, target, at) => {
    const d = half(block, 0);
    for (let i = 0; i < 16; i++) {
      target[at + i] = d * ((low(block[6 + i]) | (bit(block, 2, i) << 4)) - 16);
      target[at + 16 + i] = d * ((high(block[6 + i]) | (bit(block, 2, i + 16) << 4)) - 16);
    }
  }),
  Q5_1: quantized(24, 32, (block, target, at) => {
    const d = half(block, 0);
    const m = half(block, 2);
    for (let i = 0; i < 16; i++) {
      target[at + i] = d * (low(block[8 + i]) | (bit(block, 4, i) << 4)) + m;
      target[at + 16 + i] = d * (high(block[8 + i]) | (bit(block, 4, i + 16) << 4)) + m;
    }
  }),
  // 8 groups of 32 weights: d·scale·q − dmin·min, scales and mins of 6 bits packed in 12 bytes
  Q4_K: quantized(144, 256, (block, target, at) => {
    for (let group = 0; group < 8; group++) {
      const { scale, min } = groupScale(block, group);
      const nibble = group % 2 === 0 ? low : high;
      const from = 16 + (group >> 1) * 32;
      for (let i = 0; i < 32; i++) target[at + group * 32 + i] = scale * nibble(block[from + i]) - min;
    }
  }),
  // As Q4_K, with the fifth bits of group g in bit g of 32 bytes
  Q5_K: quantized(176, 256, (block, target, at) => {
    for (let group = 0; group < 8; group++) {
      const { scale, min } = groupScale(block, group);
      const nibble = group % 2 === 0 ? low : high;
      const from = 48 + (group >> 1) * 32;
      for (let i = 0; i < 32; i++) {
        const fifth = ((byte(block[16 + i]) >> group) & 1) << 4;
        target[at + group * 32 + i] = scale * (nibble(block[from + i]) | fifth) - min;
      }
    }
  }),
  // 16 groups of 16 weights, d·scale·(q − 32): 4 low bits of each weight in `ql`, 2 high bits in `qh`, int8 scales
  Q6_K: quantized(210, 256, (block, target, at) => {
    const d = half(block, 208);
    for (let i = 0; i < 256; i++) {
      const part = i >> 7; // halves of 128 weights, each in 4 quarters of 32
      const quarter = (i >> 5) & 3;
      const lane = i & 31;
      const packed = block[part * 64 + (quarter % 2) * 32 + lane];
      const lowBits = quarter < 2 ? low(packed) : high(packed);
      const highBits = (byte(block[128 + part * 32 + lane]) >> (quarter * 2)) & 3;
      target[at + i] = d * int8(block[192 + (i >> 4)]) * ((lowBits | (highBits << 4)) - 32);
    }
  }),
};

/** Scale and minimum of group g (0-7) of a Q4_K or Q5_K block, already multiplied by d and dmin. */
function groupScale(block: Uint8Array, group: number): { scale: number; min: number } {
  const at = (i: number) => byte(block[4 + i]);
  const scale = group < 4 ? at(group) & 63 : (at(group + 4) & 15) | ((at(group - 4) >> 6) << 4);
  const min = group < 4 ? at(group + 4) & 63 : (at(group + 4) >> 4) | ((at(group) >> 6) << 4);
  return { scale: half(block, 0) * scale, min: half(block, 2) * min };
}

function plain(
  width: number,
  convert: (source: Uint8Array, target: Float32Array, offset: number) => void,
): BlockFormat {
  return {
    bytes: width,
    weights: 1,
    dequantize: (source, blocks, target, offset) => convert(source.subarray(0, blocks * width), target, offset),
  };
}

function quantized(
  bytes: number,
  weights: number,
  convert: (block: Uint8Array, target: Float32Array, at: number) => void,
): BlockFormat {
  return {
    bytes,
    weights,
    dequantize: (source, blocks, target, offset) => {
      for (let i = 0; i < blocks; i++)
        convert(source.subarray(i * bytes, (i + 1) * bytes), target, offset + i * weights);
    },
  };
}

const scratch = new Float32Array(1);

function half(block: Uint8Array, at: number): number {
  float16ToFloat32(Uint16Array.of(byte(block[at]) | (byte(block[at + 1]) << 8)), scratch);
  return scratch[0] as number;
}

function words(source: Uint8Array): Uint16Array {
  return new Uint16Array(source.buffer, source.byteOffset, source.length / 2);
}

/** Typed arrays are read inside their bounds here; this only satisfies the type checker. */
function byte(value: number | undefined): number {
  return value as number;
}

function low(value: number | undefined): number {
  return (value as number) & 15;
}

function high(value: number | undefined): number {
  return (value as number) >> 4;
}

function int8(value: number | undefined): number {
  return ((value as number) << 24) >> 24;
}

function bit(block: Uint8Array, from: number, index: number): number {
  return (byte(block[from + (index >> 3)]) >> (index & 7)) & 1;
}
