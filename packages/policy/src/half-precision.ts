/** Conversions between float32 and the two 16-bit floating-point formats, on raw little-endian bits. */

/** Every float16 (IEEE 754 binary16) value by its bits; 256 KiB, built on first use. */
let float16Table: Float32Array | undefined;

function float16Values(): Float32Array {
  float16Table ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  return float16Table;
}

/** float16 bits → float32, written to `target` from `offset`, in order: the bits may lie in the last half of `target` itself. */
export function float16ToFloat32(bits: Uint16Array, target: Float32Array, offset = 0): void {
  const values = float16Values();
  for (let i = 0; i < bits.length; i++) target[offset + i] = values[bits[i] as number] as number;
}

/** bfloat16 bits → float32 (the upper half of its bits), written to `target` from `offset`, in order, as above. */
export function bfloat16ToFloat32(bits: Uint16Array, target: Float32Array, offset = 0): void {
  const words = new Uint32Array(target.buffer, target.byteOffset + offset * 4, bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = (bits[i] as number) << 16;
}

/** float32 → bfloat16 bits, rounded to nearest even as PyTorch does; NaN stays NaN. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number;
    const isNaN = (word & 0x7fffffff) > 0x7f800000;
    bits[i] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return bits;
}
