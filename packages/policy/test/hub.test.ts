import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { mkdtemp, readFile, readdir, readlink, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { downloadModel, loadModelDirectory, type DownloadProgress } from '@tapo/policy';

const fixture = fileURLToPath(new URL('./fixtures/qwen2-gqa-tied/', import.meta.url));
const commit = '0123456789abcdef0123456789abcdef01234567';
const id = 'org/tiny';

/** A hub with one model: config.json in git, model.safetensors as a large file, and a file nobody needs. */
interface FakeHub {
  endpoint: string;
  files: Record<string, Buffer>;
  /** `GET path range` of every file request but the probes for size */
  requests: string[];
  /** status to answer API requests with */
  apiStatus: number;
  /** cut the connection after this many bytes of a file's body, so often */
  cuts: { bytes: number; times: number };
  /** serve other bytes than the listed hash says */
  corrupt: boolean;
  authorization: string | undefined;
}

let root: string;
let server: Server;
let hub: FakeHub;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tapo-hub-'));
  const files = {
    'config.json': await readFile(join(fixture, 'config.json')),
    'model.safetensors': await readFile(join(fixture, 'model.safetensors')),
    'pytorch_model.bin': Buffer.from('not wanted'),
  };
  hub = {
    endpoint: '',
    files,
    requests: [],
    apiStatus: 200,
    cuts: { bytes: 0, times: 0 },
    corrupt: false,
    authorization: undefined,
  };
  server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  hub.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(root, { recursive: true, force: true });
});

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const gitOid = (bytes: Buffer) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = new URL(request.url ?? '', hub.endpoint).pathname;
  hub.authorization = request.headers.authorization;
  if (path.startsWith('/api/')) {
    response.writeHead(hub.apiStatus, { 'content-type': 'application/json' });
    if (hub.apiStatus !== 200) return void response.end(JSON.stringify({ error: 'refused' }));
    if (path === `/api/models/${id}/revision/main`) return void response.end(JSON.stringify({ id, sha: commit }));
    const entries = Object.entries(hub.files).map(([name, bytes]) => ({
      type: 'file',
      path: name,
      size: bytes.length,
      oid: gitOid(bytes),
      ...(name.endsWith('.safetensors') ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 } } : {}),
    }));
    return void response.end(JSON.stringify(entries));
  }
  const name = path.replace(`/${id}/resolve/${commit}/`, '');
  const bytes = hub.files[name] as Buffer;
  const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '');
  const start = Number(range?.[1] ?? 0);
  const end = range ? Number(range[2]) + 1 : bytes.length;
  const body = Buffer.from(bytes.subarray(start, end));
  if (hub.corrupt) body.fill(0);
  const headers = {
    etag: `"${gitOid(bytes)}"`,
    'content-length': body.length,
    'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
  };
  response.writeHead(range ? 206 : 200, headers);
  if (end - start > 1) hub.requests.push(`${name} from ${start}`);
  if (end - start > 1 && hub.cuts.times > 0) {
    hub.cuts.times--;
    return void response.write(body.subarray(0, hub.cuts.bytes), () => setTimeout(() => response.destroy(), 20));
  }
  response.end(body);
}

const download = (options = {}) => downloadModel(id, { endpoint: hub.endpoint, cacheDirectory: root, ...options });

it('downloads what a model needs, in the layout of huggingface_hub', async () => {
  const snapshot = await download({ token: 'hf_secret' });
  expect(snapshot).toBe(join(root, 'models--org--tiny', 'snapshots', commit));
  expect(hub.authorization).toBe('Bearer hf_secret');
  expect((await readdir(snapshot)).toSorted()).toEqual(['config.json', 'model.safetensors']);
  expect(await readFile(join(root, 'models--org--tiny', 'refs', 'main'), 'utf8')).toBe(commit);
  const weights = hub.files['model.safetensors'] as Buffer;
  expect(await readlink(join(snapshot, 'model.safetensors'))).toBe(join('..', '..', 'blobs', sha256(weights)));
  expect(await readlink(join(snapshot, 'config.json'))).toBe(
    join('..', '..', 'blobs', gitOid(hub.files['config.json'] as Buffer)),
  );
  expect(await loadModelDirectory(snapshot)).toEqual(await loadModelDirectory(fixture));
});

it('leaves the weights out when they are elsewhere, and fetches them later', async () => {
  const snapshot = await download({ weights: false });
  expect(await readdir(snapshot)).toEqual(['config.json']);
  expect(await download()).toBe(snapshot);
  expect((await readdir(snapshot)).toSorted()).toEqual(['config.json', 'model.safetensors']);
});

it('fetches nothing twice, and works without network afterwards', async () => {
  const snapshot = await download();
  hub.requests = [];
  expect(await download()).toBe(snapshot);
  expect(hub.requests).toEqual([]);
  expect(await download({ localFilesOnly: true })).toBe(snapshot);
  expect(await download({ endpoint: 'http://127.0.0.1:9' })).toBe(snapshot); // nothing listens there
  expect(await download({ localFilesOnly: true, revision: commit })).toBe(snapshot);
});

it('goes on where a broken connection stopped', async () => {
  hub.files = { 'model.safetensors': hub.files['model.safetensors'] as Buffer };
  hub.cuts = { bytes: 30_000, times: 1 };
  const progress: DownloadProgress[] = [];
  const snapshot = await download({ onProgress: (each: DownloadProgress) => progress.push(each) });
  expect(hub.requests).toHaveLength(2);
  expect(hub.requests[0]).toBe('model.safetensors from 0');
  const resumedAt = Number(/from (\d+)/.exec(hub.requests[1] as string)?.[1]);
  expect(resumedAt).toBeGreaterThan(0);
  expect(await readFile(join(snapshot, 'model.safetensors'))).toEqual(hub.files['model.safetensors']);
  expect(progress.at(-1)).toEqual({ file: 'model.safetensors', bytes: 66856, totalBytes: 66856 });
});

it('keeps the part of a download that stays broken for the next run', async () => {
  hub.cuts = { bytes: 5000, times: 1 };
  delete hub.files['config.json'];
  await expect(download({ maxAttempts: 1 })).rejects.toThrow(
    /"model.safetensors" broke off at byte \d+ of 66856, 1 times; run again/,
  );
  await download();
  expect(hub.requests.at(-1)).not.toBe('model.safetensors from 0');
});

it('removes a file with another hash', async () => {
  hub.corrupt = true;
  await expect(download()).rejects.toThrow(/"config.json" does not have the hash/);
  expect(await readdir(join(root, 'models--org--tiny', 'blobs'))).toEqual([]);
});

it.each([
  [401, /"org\/tiny" at revision "main" does not exist, or is private/],
  [403, /is gated: accept its terms/],
  [404, /does not exist: check the id and the revision/],
  [500, /cannot be had \(refused/],
])('explains status %i', async (status, message) => {
  hub.apiStatus = status;
  await expect(download()).rejects.toThrow(message);
});

it('says when a model is neither cached nor reachable', async () => {
  await expect(download({ endpoint: 'http://127.0.0.1:9' })).rejects.toThrow(
    /not in the cache .*, and the hub cannot be reached/,
  );
  await expect(download({ localFilesOnly: true })).rejects.toThrow(/only local files are allowed/);
  await expect(downloadModel('no-owner')).rejects.toThrow(/wanted owner\/name/);
  await expect(download({ signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped');
});
