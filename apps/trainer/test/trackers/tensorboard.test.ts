import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { encodeEvent } from '../../src/trackers/event-proto.js';
import { createTensorBoard } from '../../src/trackers/tensorboard.js';
import { crc32c, tfRecord } from '../../src/trackers/tfrecord.js';

it('CRC-32C: the check value of the polynomial, and a vector of RFC 3720 B.4', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
});

it('a record: length, masked CRC, data, masked CRC', () => {
  const record = Buffer.from(tfRecord(Buffer.from('123456789')));
  expect(record.readBigUInt64LE(0)).toBe(9n);
  expect(record.toString('latin1', 12, 21)).toBe('123456789');
  // 0xe3069283 >>> 15 | 0xe3069283 << 17 = 0x2507c60d; + 0xa282ead8 = 0xc78ab0e5
  expect(record.readUInt32LE(21)).toBe(0xc78ab0e5);
  expect(record.length).toBe(25);
});

it('an event, byte by byte', () => {
  // 09 double 1.0 | 10 varint 300 = ac 02 | 2a length 10: 0a length 8: 0a 01 'a', 15 float 0.5
  expect(Buffer.from(encodeEvent({ wallTime: 1, step: 300, scalars: { a: 0.5 } })).toString('hex')).toBe(
    '09000000000000f03f10ac022a0a0a080a0161150000003f',
  );
});

it('a file: the version first, then a record for each step', async () => {
  const path = await mkdtemp(join(tmpdir(), 'tapo-tensorboard-'));
  const tracker = await createTensorBoard({ path });
  await tracker.log(1, { reward: 0.5, 'callsByTool/search': 2 });
  await tracker.log(2, { reward: NaN });
  await tracker.close();
  const [name = ''] = await readdir(join(path, 'tensorboard'));
  expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
  const file = await readFile(join(path, 'tensorboard', name));
  const lengths: number[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    lengths.push(length);
    at += 16 + length;
  }
  expect(lengths).toHaveLength(3);
  expect(file.includes('brain.Event:2')).toBe(true);
  expect(file.includes('callsByTool/search')).toBe(true);
});
