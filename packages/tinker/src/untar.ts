import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { gunzipSync } from 'node:zlib';

const BLOCK = 512;

/**
 * Unpacks the regular files of a tar (POSIX ustar and GNU long names; gzipped or not) below `directory`. Names that lead
 * out of it are refused. Held in memory: for adapters and other archives up to some GB.
 */
export async function untar(archive: AsyncIterable<Uint8Array>, directory: string): Promise<string[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk);
  const raw = Buffer.concat(chunks);
  const bytes = raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw;

  const names: string[] = [];
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= bytes.length;) {
    const header = bytes.subarray(at, at + BLOCK);
    if (header[0] === 0) break;
    const text = (start: number, length: number): string => {
      const field = header.subarray(start, start + length);
      const end = field.indexOf(0);
      return field.subarray(0, end < 0 ? length : end).toString('utf8');
    };
    const size = Number.parseInt(text(124, 12).trim(), 8);
    if (!Number.isInteger(size) || at + BLOCK + size > bytes.length) {
      throw new Error(`The archive is cut off or is no tar: entry ${JSON.stringify(text(0, 100))} at byte ${at}.`);
    }
    const content = bytes.subarray(at + BLOCK, at + BLOCK + size);
    const kind = text(156, 1);
    const prefix = text(257, 5) === 'ustar' ? text(345, 155) : '';
    const name = longName ?? (prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`);
    longName = kind === 'L' ? content.toString('utf8').replace(/\0+$/, '') : undefined;
    if (kind === '' || kind === '0') {
      const path = normalize(name);
      if (path.startsWith('..') || path.startsWith('/'))
        throw new Error(`The archive names a file outside of it: ${name}.`);
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), content);
      names.push(path);
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return names;
}
