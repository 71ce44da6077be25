/**
 * The safetensors format (github.com/huggingface/safetensors): 8 bytes of header length, a JSON header of
 * `{name: {dtype, shape, data_offsets}}`, then the tensors' bytes. Read one tensor at a time, in its own memory, so that
 * nothing but the result is held.
 */
import { open, type FileHandle } from 'node:fs/promises';

import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16 } from './half-precision.js';
import type { HostParameters, HostTensor } from './parameters.js';

const bytesPerElement: Record<string, number> = {
  F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1,
  F8_E4M3: 1, F8_E5M2: 1,
}; // prettier-ignore

const chunkBytes = 4 << 20;
const maxHeaderBytes = 100_000_000;

export interface SafetensorsEntry {
  /** `F32`, `F16`, `BF16`, … */
  dtype: string;
  shape: number[];
  /** first byte in the file */
  start: number;
  /** one past the last byte in the file */
  end: number;
}

/** An open file; `read` converts F32, F16 and BF16 to float32. */
export interface SafetensorsFile {
  readonly path: string;
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  read(name: string): Promise<HostTensor>;
  close(): Promise<void>;
}

/**
 * Opens a file and checks its header against its size.
 * @throws for a truncated file, a header that is not JSON, overlapping or missing bytes, a dtype unknown to the format.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${path}: cannot open (${cause.code}); check the path, or download the file again`, { cause });
  });
  try {
    const { entries, metadata } = await readHeader(file, path);
    return {
      path,
      entries,
      metadata,
      close: () => file.close(),
      read: async (name) => {
        const entry = entries.get(name);
        if (!entry) throw new Error(`${path}: no tensor "${name}" among its ${entries.size}`);
        return readTensor(file, path, name, entry);
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readHeader(file: FileHandle, path: string) {
  const { size } = await file.stat();
  const fail = (what: string): never => {
    throw new Error(`${path}: not a whole safetensors file: ${what}; download or export it again`);
  };
  const prefix = Buffer.alloc(8);
  if (size < 8) fail(`it has ${size} bytes, wanted at least 8`);
  await file.read(prefix, 0, 8, 0);
  const headerBytes = Number(prefix.readBigUInt64LE());
  if (headerBytes > maxHeaderBytes)
    fail(`its header claims ${headerBytes} bytes, more than the format's ${maxHeaderBytes}`);
  if (8 + headerBytes > size) fail(`its header claims ${headerBytes} bytes, the file has ${size}`);
  const buffer = Buffer.alloc(headerBytes);
  await file.read(buffer, 0, headerBytes, 8);
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(buffer.toString('utf8'));
  } catch (error) {
    return fail(`its header is not JSON (${(error as Error).message})`);
  }
  const { __metadata__: metadata = {}, ...tensors } = header;
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, value] of Object.entries(tensors)) {
    entries.set(
      name,
      parseEntry(value, 8 + headerBytes, (what) => fail(`tensor "${name}" ${what}`)),
    );
  }
  checkLayout(entries, 8 + headerBytes, size, fail);
  return { entries, metadata: metadata as Record<string, string> };
}

function parseEntry(value: unknown, base: number, fail: (what: string) => never): SafetensorsEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const naturals = (list: unknown): list is number[] =>
    Array.isArray(list) && list.every((number) => Number.isSafeInteger(number) && number >= 0);
  if (typeof dtype !== 'string' || !(dtype in bytesPerElement)) return fail(`has dtype ${JSON.stringify(dtype)}`);
  if (!naturals(shape)) return fail(`has shape ${JSON.stringify(shape)}`);
  if (!naturals(offsets) || offsets.length !== 2) return fail(`has data_offsets ${JSON.stringify(offsets)}`);
  const [start, end] = offsets as [number, number];
  const wanted = shape.reduce((product, size) => product * size, bytesPerElement[dtype] as number);
  if (end - start !== wanted)
    return fail(`has ${end - start} bytes, its ${dtype} [${shape.join(', ')}] needs ${wanted}`);
  return { dtype, shape, start: base + start, end: base + end };
}

/** The tensors must cover the file's data without gap or overlap. */
function checkLayout(
  entries: Map<string, SafetensorsEntry>,
  base: number,
  size: number,
  fail: (what: string) => never,
): void {
  let position = base;
  for (const [name, { start, end }] of [...entries].toSorted(([, a], [, b]) => a.start - b.start || a.end - b.end)) {
    if (start < position) fail(`tensor "${name}" overlaps the one before it`);
    if (start > position) fail(`${start - position} bytes before tensor "${name}" belong to no tensor`);
    if (end > size) fail(`tensor "${name}" ends at byte ${end}, the file has ${size}`);
    position = end;
  }
  if (position < size) fail(`${size - position} bytes after the last tensor`);
}

async function readTensor(file: FileHandle, path: string, name: string, entry: SafetensorsEntry): Promise<HostTensor> {
  const { dtype, shape, start, end } = entry;
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
  if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') {
    throw new Error(`${path}: tensor "${name}" is ${dtype}; only F32, F16 and BF16 are read, convert it first`);
  }
  // 16 bits are read into the second half of the result and widened from the front: number i is written to bytes 4i to 4i + 4,
  // behind or onto its own place 2n + 2i and before that of the next. So nothing but the result is ever held.
  const bytes = new Uint8Array(data.buffer, data.byteLength - (end - start));
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const part = bytes.subarray(at, at + chunkBytes);
    const { bytesRead } = await file.read(part, 0, part.length, start + at);
    if (bytesRead !== part.length) throw new Error(`${path}: tensor "${name}": the file ends early; download it again`);
  }
  const bits = () => new Uint16Array(data.buffer, bytes.byteOffset);
  if (dtype === 'F16') float16ToFloat32(bits(), data);
  if (dtype === 'BF16') bfloat16ToFloat32(bits(), data);
  return { data, shape, dtype: 'float32' };
}

export interface WriteSafetensorsOptions {
  /** how the numbers are stored; `BF16` rounds to nearest even */
  dtype?: 'F32' | 'BF16';
  /** free text; `format: pt` is what transformers looks for */
  metadata?: Record<string, string>;
}

/** Writes tensors in the order given, one at a time. Not atomic by itself: write to a temporary name, then rename. */
export async function writeSafetensors(
  path: string,
  tensors: HostParameters,
  { dtype = 'F32', metadata = { format: 'pt' } }: WriteSafetensorsOptions = {},
): Promise<void> {
  const width = bytesPerElement[dtype] as number;
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { data, shape }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.length * width] };
    offset += data.length * width;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, ' '); // data starts at a multiple of 8, as the format asks
  json.copy(padded);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(padded.length));
  const file = await open(path, 'w');
  try {
    await file.writeFile(Buffer.concat([prefix, padded]));
    for (const { data } of Object.values(tensors)) {
      for (let at = 0; at < data.length; at += chunkBytes / 4) {
        const part = data.subarray(at, at + chunkBytes / 4);
        const stored = dtype === 'BF16' ? float32ToBfloat16(part) : part;
        await file.writeFile(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
