/**
 * Models from the Hugging Face hub by id, kept in the cache directory that Python's huggingface_hub uses too:
 * `models--org--name/{blobs/<hash>, refs/<revision>, snapshots/<commit>/<file> → blob}`.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { access, copyFile, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';

import {
  downloadFile,
  getHFHubCachePath,
  getRepoFolderName,
  HubApiError,
  listFiles,
  modelInfo,
} from '@huggingface/hub';
import type { ListFileEntry } from '@huggingface/hub';

export interface DownloadProgress {
  file: string;
  /** bytes of this file on disk */
  bytes: number;
  totalBytes: number;
}

export interface DownloadModelOptions {
  /** branch, tag or commit */
  revision?: string;
  /** access token, for private and gated models */
  token?: string;
  /** default: as in Python, `HF_HUB_CACHE`, `HF_HOME`/hub or ~/.cache/huggingface/hub */
  cacheDirectory?: string;
  /** address of the hub, for mirrors */
  endpoint?: string;
  /** false: configuration and tokenizer only, for models whose weights are elsewhere */
  weights?: boolean;
  /** never use the network */
  localFilesOnly?: boolean;
  /** tries per file; each goes on where the last one broke off */
  maxAttempts?: number;
  onProgress?: (progress: DownloadProgress) => void;
  signal?: AbortSignal;
}

/** What a model directory needs of a repository: not its PyTorch, ONNX or GGUF twins. */
const wanted =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$|^merges\.txt$|^chat_template\.jinja$|^model.*\.safetensors(\.index\.json)?$/;

/**
 * Downloads what `loadModelDirectory` and `loadTokenizer` need and returns the snapshot's directory. Files already in the cache are not fetched again,
 * broken downloads are continued, and every file is checked against its hash. Without network, an earlier snapshot is used.
 * @param id for example `Qwen/Qwen2.5-0.5B-Instruct`
 * @throws for an unknown id or revision, a private or gated model without token, a download that stays broken
 */
export async function downloadModel(
  id: string,
  {
    revision = 'main',
    token,
    cacheDirectory = getHFHubCachePath(),
    endpoint,
    weights = true,
    localFilesOnly = false,
    maxAttempts = 3,
    onProgress,
    signal,
  }: DownloadModelOptions = {},
): Promise<string> {
  if (!/^[\w.-]+\/[\w.-]+$/.test(id))
    throw new Error(`model id "${id}": wanted owner/name, for example Qwen/Qwen2.5-0.5B-Instruct`);
  const repository = join(cacheDirectory, getRepoFolderName({ type: 'model', name: id }));
  if (localFilesOnly) return cachedSnapshot(repository, id, revision);
  const abortableFetch: typeof fetch = (input, init) => fetch(input, { ...init, signal });
  const hub = { repo: id, accessToken: token, hubUrl: endpoint, fetch: abortableFetch };

  let commit: string;
  try {
    ({ sha: commit } = await modelInfo({ ...hub, name: id, revision, additionalFields: ['sha'] }));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof HubApiError) throw explained(error, id, revision);
    return cachedSnapshot(repository, id, revision, error as Error); // no network
  }
  const snapshot = join(repository, 'snapshots', commit);
  for await (const entry of listFiles({ ...hub, revision: commit })) {
    if (entry.type !== 'file' || !wanted.test(entry.path)) continue;
    if (!weights && entry.path.includes('.safetensors')) continue;
    const blob = join(repository, 'blobs', hashOf(entry));
    if (!(await exists(blob))) await fetchBlob(entry, blob);
    await link(blob, join(snapshot, entry.path));
  }
  if (revision !== commit) {
    await mkdir(dirname(join(repository, 'refs', revision)), { recursive: true });
    await writeFile(join(repository, 'refs', revision), commit);
  }
  return snapshot;

  async function fetchBlob(entry: ListFileEntry, blob: string): Promise<void> {
    const incomplete = `${blob}.incomplete`;
    await mkdir(dirname(blob), { recursive: true });
    const remote = await downloadFile({ ...hub, path: entry.path, revision: commit });
    if (!remote) throw new Error(`${id}: the hub lists "${entry.path}" but does not have it`);
    for (let attempt = 1; ; attempt++) {
      const done = await sizeOf(incomplete);
      if (done >= entry.size) break;
      try {
        const report = (bytes: number) => onProgress?.({ file: entry.path, bytes, totalBytes: entry.size });
        await append(remote.slice(done), incomplete, done, report, signal);
      } catch (cause) {
        signal?.throwIfAborted();
        if (attempt < maxAttempts) continue;
        throw new Error(
          `${id}: "${entry.path}" broke off at byte ${await sizeOf(incomplete)} of ${entry.size}, ${maxAttempts} times; run again to go on from there`,
          { cause },
        );
      }
    }
    if (!(await matchesHash(incomplete, entry))) {
      await rm(incomplete);
      throw new Error(`${id}: "${entry.path}" does not have the hash that the hub states; it was removed, run again`);
    }
    await rename(incomplete, blob);
  }
}

async function append(
  remote: Blob,
  path: string,
  start: number,
  report: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  let bytes = start;
  const counted = async function* (source: AsyncIterable<Uint8Array>) {
    for await (const chunk of source) {
      yield chunk;
      bytes += chunk.length;
      report(bytes);
    }
  };
  const source = Readable.fromWeb(remote.stream() as ReadableStream<Uint8Array>);
  await pipeline(source, counted, createWriteStream(path, { flags: 'a' }), { signal });
}

/** Large files state their SHA-256, small ones git's SHA-1 of `blob <size>\0<content>`. */
async function matchesHash(path: string, entry: ListFileEntry): Promise<boolean> {
  const hash = entry.lfs ? createHash('sha256') : createHash('sha1').update(`blob ${entry.size}\0`);
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex') === hashOf(entry);
}

function hashOf(entry: ListFileEntry): string {
  const hash = entry.lfs?.oid ?? entry.oid;
  if (!hash) throw new Error(`the hub states no hash of "${entry.path}"`);
  return hash;
}

/** The snapshot an earlier download left behind. */
async function cachedSnapshot(repository: string, id: string, revision: string, cause?: Error): Promise<string> {
  const commit = await readFile(join(repository, 'refs', revision), 'utf8').catch(() => revision);
  const snapshot = join(repository, 'snapshots', commit.trim());
  if (await exists(join(snapshot, 'config.json'))) return snapshot;
  const reason = cause
    ? `the hub cannot be reached (${String(cause.cause ?? cause.message)})`
    : 'only local files are allowed';
  throw new Error(`model "${id}" at revision "${revision}" is not in the cache ${dirname(repository)}, and ${reason}`, {
    cause,
  });
}

function explained(error: HubApiError, id: string, revision: string): Error {
  const because: Record<number, string> = {
    401: 'does not exist, or is private: check the id, or pass a token',
    403: 'is gated: accept its terms on its page, and pass a token',
    404: 'does not exist: check the id and the revision',
  };
  const reason = because[error.statusCode] ?? `cannot be had (${error.message})`;
  return new Error(`model "${id}" at revision "${revision}" ${reason}`, { cause: error });
}

/** A relative link as Python makes it; a copy where links are not allowed (Windows). */
async function link(blob: string, pointer: string): Promise<void> {
  if (await exists(pointer)) return;
  await mkdir(dirname(pointer), { recursive: true });
  await symlink(relative(dirname(pointer), blob), pointer).catch(() => copyFile(blob, pointer));
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
