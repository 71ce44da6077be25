// @ts-check
import { inflateRawSync } from 'node:zlib';

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const DEFLATED = 8;

/**
 * The files of a zip archive, as wheels are; each is unpacked when it is first read.
 * @param {Buffer} archive
 * @returns {{ name: string, size: number, read: () => Uint8Array }[]}
 */
export function zipEntries(archive) {
  let end = archive.length - 22;
  while (end >= 0 && archive.readUInt32LE(end) !== END_OF_DIRECTORY) end -= 1;
  if (end < 0) throw new Error('got a file that is no zip archive');
  const count = archive.readUInt16LE(end + 10);
  let at = archive.readUInt32LE(end + 16);
  return Array.from({ length: count }, () => {
    if (archive.readUInt32LE(at) !== DIRECTORY_ENTRY) throw new Error('got a zip archive with a broken directory');
    const [method, packed, size] = [
      archive.readUInt16LE(at + 10),
      archive.readUInt32LE(at + 20),
      archive.readUInt32LE(at + 24),
    ];
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset));
    const header = archive.readUInt32LE(at + 42);
    const name = archive.toString('utf8', at + 46, at + 46 + /** @type {number} */ (nameLength));
    at += 46 + /** @type {number} */ (nameLength) + /** @type {number} */ (extra) + /** @type {number} */ (comment);
    const read = () => {
      const start = header + 30 + archive.readUInt16LE(header + 26) + archive.readUInt16LE(header + 28);
      const bytes = archive.subarray(start, start + packed);
      return method === DEFLATED ? inflateRawSync(bytes) : bytes;
    };
    return { name, size, read };
  }).filter((entry) => !entry.name.endsWith('/'));
}
