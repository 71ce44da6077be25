import { createHash, randomUUID, webcrypto } from 'node:crypto';
import { constants } from 'node:fs';
import {
  access,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { runBuilder, SANDBOX_DIRECTORY } from './worker-process.js';
import type { ResolvedWheel } from './wheels.js';
import type { WorkerConfig } from './worker-process.js';

/**
 * The files a worker starts from: the rewritten WebAssembly binary and the memory of an initialised interpreter.
 * Built once (1-3 s), kept in the cache directory under a hash of everything that goes in, checked by hash at each start of a pool.
 */
export interface Image {
  wasm: string;
  stdlib: string;
  snapshot: string;
  wheels: string[];
  libraries: string[];
  imports: string[];
  /** directories a worker must be able to read */
  directories: string[];
}

export interface ImageOptions {
  memoryLimitBytes: number;
  fileLimitBytes: number;
  wheels: readonly ResolvedWheel[];
  cacheDirectory: string;
  signal: AbortSignal;
  onProgress?: ((message: string) => void) | undefined;
}

/** The one Pyodide build whose imports were gone through one by one. */
const PYODIDE = {
  version: '314.0.7',
  'pyodide.asm.wasm': 'cc36e3cab04fdfc9a63ff13eb52eae2b911bf46c025cc7b281f394bd3de1d5e6',
  'python_stdlib.zip': 'fa1957e5777068fc4f7437f96d860ae2fbe9c19732ba06c84e004ec16dd7dd7a',
};

const KEPT_MS = 30 * 24 * 3600 * 1000;
const LONGEST_BUILD_MS = 10 * 60 * 1000;
const HASHES = 'sha256.json';
const LIBRARY_FILE = /^library-\d+\.wasm$/;
const libraryFile = (index: number) => `library-${index}.wasm`;

/** Finds the image in the cache or builds it; processes that want the same one wait for whoever builds it. */
export async function loadImage(options: ImageOptions): Promise<Image> {
  const { cacheDirectory, signal, wheels, memoryLimitBytes, onProgress } = options;
  const pyodide = await realpath(dirname(createRequire(import.meta.url).resolve('pyodide')));
  const [wasm, stdlib] = await Promise.all([
    checkedFile(pyodide, 'pyodide.asm.wasm'),
    checkedFile(pyodide, 'python_stdlib.zip'),
  ]);
  const key = createHash('sha256').update(
    JSON.stringify([PYODIDE, memoryLimitBytes, wheels.map(({ sha256, imports }) => [sha256, imports])]),
  );
  for (const name of (await readdir(SANDBOX_DIRECTORY)).toSorted()) {
    if (name.endsWith('.mjs')) key.update(await readFile(join(SANDBOX_DIRECTORY, name)));
  }
  const name = `python-${key.digest('hex').slice(0, 32)}`;
  // a cache that cannot be written may hold the image all the same
  let directory = join(cacheDirectory, name);
  if (!(await isIntact(directory))) {
    directory = join(await writableDirectory(cacheDirectory), name);
    const release = await claim(`${directory}.lock`, signal);
    try {
      if (!(await isIntact(directory))) {
        onProgress?.('Building the Python image: once for this version and these packages, some seconds.');
        await build(directory, { pyodide, wasm, stdlib }, options);
      }
    } finally {
      await release();
    }
  }
  directory = await realpath(directory);
  await utimes(directory, new Date(), new Date()).catch(() => {}); // in use: see `removeOld`
  const libraries = (await readdir(directory)).filter((file) => LIBRARY_FILE.test(file)).length;
  return {
    wasm: join(directory, 'python.wasm'),
    snapshot: join(directory, 'snapshot'),
    libraries: Array.from({ length: libraries }, (_, index) => join(directory, libraryFile(index))),
    directories: [pyodide, directory],
    stdlib,
    ...wheelsIn(directory, wheels),
  };
}

function wheelsIn(directory: string, wheels: readonly ResolvedWheel[]) {
  return {
    wheels: wheels.map(({ fileName }) => join(directory, fileName)),
    imports: wheels.flatMap(({ imports }) => imports),
  };
}

/** Makes the directory of an image, all of it or nothing. */
async function build(
  directory: string,
  { pyodide, wasm, stdlib }: { pyodide: string; wasm: string; stdlib: string },
  { wheels, signal, memoryLimitBytes, fileLimitBytes }: ImageOptions,
): Promise<void> {
  const temporary = `${directory}.${randomUUID()}`;
  try {
    await mkdir(temporary, { mode: 0o700 });
    for (const { fileName, bytes } of wheels) await writeFile(join(temporary, fileName), bytes);
    const files = { wasm, stdlib, ...wheelsIn(temporary, wheels) };
    const config: WorkerConfig = { mode: 'build', outputLength: 0, ...files, memoryLimitBytes, fileLimitBytes };
    const built = await runBuilder(config, [pyodide, temporary], signal);
    await writeFile(join(temporary, 'python.wasm'), built.wasm);
    await writeFile(join(temporary, 'snapshot'), built.snapshot);
    for (const [index, bytes] of built.libraries.entries()) {
      await writeFile(join(temporary, libraryFile(index)), bytes);
    }
    await writeFile(join(temporary, HASHES), JSON.stringify(await hashesOf(temporary)));
    await rm(directory, { recursive: true, force: true });
    // where locks do not hold, another process may have been faster: its image is as good, and may be in use
    await rename(temporary, directory).catch(() => access(join(directory, HASHES)));
    await removeOld(dirname(directory));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new Error(
      `the Python image could not be written to ${dirname(directory)} (${error.message}). ` +
        'It takes some 30 MB, more with packages: make room, or give another cacheDirectory.',
      { cause: error },
    );
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Images nobody has used for long, and what killed builds have left. */
async function removeOld(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!/^python-[0-9a-f]{32}/.test(name)) continue;
    const path = join(parent, name);
    const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age > KEPT_MS) await rm(path, { recursive: true, force: true });
  }
}

/** Waits until nobody else builds this image. @returns what ends the claim */
async function claim(lock: string, signal: AbortSignal): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await writeFile(lock, String(process.pid), { flag: 'wx' });
      return () => rm(lock, { force: true });
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (error.code !== 'EEXIST') return async () => {}; // then two may build at once, which does no harm
    }
    if (await isAbandoned(lock)) await rm(lock, { force: true });
    else await setTimeout(100, undefined, { signal });
  }
}

/** Whether whoever made the lock has died, or takes too long to be alive. */
async function isAbandoned(lock: string): Promise<boolean> {
  try {
    const [pid, { mtimeMs }] = await Promise.all([readFile(lock, 'utf8'), stat(lock)]);
    if (Date.now() - mtimeMs > LONGEST_BUILD_MS) return true;
    if (pid !== '') process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return isSystemError(error) && error.code === 'ESRCH';
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

async function checkedFile(directory: string, name: 'pyodide.asm.wasm' | 'python_stdlib.zip'): Promise<string> {
  const path = join(directory, name);
  const got = await sha256(await readFile(path));
  if (got !== PYODIDE[name]) {
    throw new Error(
      `${path}: got a file with SHA-256 ${got}, wanted that of pyodide ${PYODIDE.version} (${PYODIDE[name]}). ` +
        `The sandbox is made for this version only: install pyodide@${PYODIDE.version}.`,
    );
  }
  return path;
}

/** The cache, or where it cannot be written, a directory of this user among the temporary ones. */
async function writableDirectory(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await access(path, constants.W_OK);
    return path;
  } catch {
    const user = process.getuid?.() ?? 'user';
    const shared = join(tmpdir(), `tapo-python-${user}`);
    await mkdir(shared, { mode: 0o700 }).catch(() => {});
    // anybody can make such a directory: one of another user is not to be trusted
    const { uid, mode } = await lstat(shared);
    const isOurs = process.getuid === undefined || (uid === user && (mode & 0o022) === 0);
    return isOurs ? shared : mkdtemp(`${shared}-`);
  }
}

async function hashesOf(directory: string): Promise<Record<string, string>> {
  const names = (await readdir(directory)).filter((name) => name !== HASHES).toSorted();
  const hash = async (name: string) => [name, await sha256(await readFile(join(directory, name)))] as const;
  return Object.fromEntries(await Promise.all(names.map(hash)));
}

async function isIntact(directory: string): Promise<boolean> {
  try {
    return (await readFile(join(directory, HASHES), 'utf8')) === JSON.stringify(await hashesOf(directory));
  } catch {
    return false;
  }
}

/** In the thread pool, so that hashing 25 MB does not hold up the caller. */
async function sha256(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex');
}
