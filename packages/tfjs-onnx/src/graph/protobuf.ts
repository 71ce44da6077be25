/**
 * The part of protobuf's wire format that an ONNX model needs: varints, 32-bit floats, and length-prefixed bytes.
 * A message is kept as a list of parts, so that weights are copied once, when the whole model is laid out.
 * https://protobuf.dev/programming-guides/encoding/
 */
export interface Encoded {
  readonly parts: readonly Uint8Array[];
  readonly byteLength: number;
}

const utf8 = new TextEncoder();

function varint(value: number | bigint): Uint8Array {
  // Negative numbers are written as their 64-bit two's complement, ten bytes long.
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

const smallVarints = Array.from({ length: 4096 }, (_, value) => varint(value));

function encodeVarint(value: number | bigint): Uint8Array {
  return (typeof value === 'number' && smallVarints[value]) || varint(value);
}

function fromParts(parts: readonly Uint8Array[]): Encoded {
  return { parts, byteLength: parts.reduce((total, part) => total + part.byteLength, 0) };
}

const VARINT = 0;
const LENGTH_PREFIXED = 2;
const FIXED_32 = 5;

const tag = (field: number, wireType: number) => encodeVarint(field * 8 + wireType);

export function integerField(field: number, value: number | bigint): Encoded {
  return fromParts([tag(field, VARINT), encodeVarint(value)]);
}

export function floatField(field: number, value: number): Encoded {
  return fromParts([tag(field, FIXED_32), new Uint8Array(Float32Array.of(value).buffer)]);
}

export function bytesField(field: number, bytes: Uint8Array): Encoded {
  return fromParts([tag(field, LENGTH_PREFIXED), encodeVarint(bytes.byteLength), bytes]);
}

export function stringField(field: number, text: string): Encoded {
  return bytesField(field, utf8.encode(text));
}

export function messageField(field: number, content: Encoded): Encoded {
  const head = fromParts([tag(field, LENGTH_PREFIXED), encodeVarint(content.byteLength)]);
  return message([head, content]);
}

/** Fields one after the other: a message's content. */
export function message(fields: readonly Encoded[]): Encoded {
  return {
    parts: fields.flatMap((field) => field.parts),
    byteLength: fields.reduce((total, field) => total + field.byteLength, 0),
  };
}

/** Lays the parts out in one buffer. */
export function toBytes(encoded: Encoded): Uint8Array {
  const bytes = new Uint8Array(encoded.byteLength);
  let offset = 0;
  for (const part of encoded.parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}
