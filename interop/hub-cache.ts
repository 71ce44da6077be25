/**
 * A model downloaded here is found by Python's huggingface_hub in the same cache, without network:
 *
 *     node --import tsx --conditions=tapo-source interop/hub-cache.ts
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { downloadModel } from '@tapo/policy';

import { report, runPython } from './python.js';

const commit = '0123456789abcdef0123456789abcdef01234567';
const files: Record<string, Buffer> = {};
for (const name of ['config.json', 'model.safetensors']) {
  files[name] = await readFile(new URL(`../packages/policy/test/fixtures/qwen2-gqa-tied/${name}`, import.meta.url));
}
const server = createServer((request, response) => {
  const path = request.url ?? '';
  if (path.includes('/revision/')) return void response.end(JSON.stringify({ id: 'org/tiny', sha: commit }));
  if (path.includes('/tree/')) {
    const entries = Object.entries(files).map(([name, bytes]) => {
      const oid = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
      const lfs = name.endsWith('json') ? undefined : { oid: createHash('sha256').update(bytes).digest('hex') };
      return { type: 'file', path: name, size: bytes.length, oid, lfs };
    });
    return void response.end(JSON.stringify(entries));
  }
  const bytes = files[path.split('/').at(-1) ?? ''] as Buffer;
  const [, start = '0', end = String(bytes.length - 1)] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
  response.writeHead(206, { etag: '"x"', 'content-range': `bytes ${start}-${end}/${bytes.length}` });
  response.end(bytes.subarray(Number(start), Number(end) + 1));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const cacheDirectory = await realpath(await mkdtemp(join(tmpdir(), 'tapo-hub-cache-')));
const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const ours = await downloadModel('org/tiny', { endpoint, cacheDirectory });
server.close();
const python = runPython('hub_cache.py', [cacheDirectory]) as { snapshot: string; parameters: number };
report(
  `snapshot directory (${python.parameters} parameters loaded by transformers from it)`,
  Number(python.snapshot !== ours),
  0,
);
await rm(cacheDirectory, { recursive: true });
