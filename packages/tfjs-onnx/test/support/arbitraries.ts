import type { HostTensor } from '@tapo/tfjs-onnx';
import * as fc from 'fast-check';

export interface ShapeConstraints {
  minRank?: number;
  maxRank?: number;
}

/** Ranks 0 to 4, axes of length 1 to 4. */
export const shapes = ({ minRank = 0, maxRank = 4 }: ShapeConstraints = {}): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: 4 }), { minLength: minRank, maxLength: maxRank });

/** Two shapes that broadcast: one has axes dropped on the left or set to 1, then the other. */
export const broadcastPairs: fc.Arbitrary<[number[], number[]]> = fc
  .tuple(shapes(), fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), fc.nat(4), fc.nat(4))
  .map(([shape, ones, dropA, dropB]) => [
    shape.map((size, axis) => (ones[axis] ? 1 : size)).slice(Math.min(dropA, dropB === 0 ? dropA : 0)),
    shape.map((size, axis) => (ones[axis + 4] ? 1 : size)).slice(dropB),
  ]);

/** Multiples of 1/8 in [min, max]: they meet the edges of rounding and comparison, and are exact in float32. */
export function floats(shape: number[], { min = -4, max = 4 } = {}): fc.Arbitrary<HostTensor> {
  const size = shape.reduce((product, length) => product * length, 1);
  return fc
    .array(fc.integer({ min: Math.ceil(min * 8), max: Math.floor(max * 8) }), { minLength: size, maxLength: size })
    .map((eighths) => ({ data: Float32Array.from(eighths, (each) => each / 8), shape, dtype: 'float32' }));
}

export function integers(shape: number[], { min = -9, max = 9 } = {}): fc.Arbitrary<HostTensor> {
  const size = shape.reduce((product, length) => product * length, 1);
  return fc
    .array(fc.integer({ min, max }), { minLength: size, maxLength: size })
    .map((values) => ({ data: Int32Array.from(values), shape, dtype: 'int32' }));
}

export function booleans(shape: number[]): fc.Arbitrary<HostTensor> {
  return integers(shape, { min: 0, max: 1 }).map(({ data }) => ({ data: Uint8Array.from(data), shape, dtype: 'bool' }));
}

export const anyType = (shape: number[]): fc.Arbitrary<HostTensor> =>
  fc.oneof(floats(shape), integers(shape), booleans(shape));
