/** What is written of TensorFlow's `Event` message. */
export interface ScalarEvent {
  /** seconds since 1970 */
  wallTime: number;
  step?: number;
  /** the first event of a file: `brain.Event:2` */
  fileVersion?: string;
  scalars?: Readonly<Record<string, number>>;
}

/**
 * The message as protocol buffers encode it. Fields: Event.wall_time = 1 (double), step = 2 (int64), file_version = 3,
 * summary = 5; Summary.value = 1; Value.tag = 1, simple_value = 2 (float). Source: tensorboard/compat/proto.
 */
export function encodeEvent({ wallTime, step, fileVersion, scalars }: ScalarEvent): Uint8Array {
  const summary = Object.entries(scalars ?? {}).map(([tag, value]) =>
    bytesField(1, Buffer.concat([bytesField(1, Buffer.from(tag)), floatField(2, value)])),
  );
  return Buffer.concat([
    doubleField(1, wallTime),
    ...(step === undefined ? [] : [Buffer.from([0x10]), varint(step)]),
    ...(fileVersion === undefined ? [] : [bytesField(3, Buffer.from(fileVersion))]),
    ...(summary.length === 0 ? [] : [bytesField(5, Buffer.concat(summary))]),
  ]);
}

function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = (field << 3) | 1;
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = (field << 3) | 5;
  bytes.writeFloatLE(value, 1);
  return bytes;
}

function bytesField(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([(field << 3) | 2]), varint(bytes.length), bytes]);
}

/** seven bits to a byte, lowest first */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}
