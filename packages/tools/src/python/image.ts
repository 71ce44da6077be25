import { createHash, randomUUID, webcrypto } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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
}

/** The one Pyodide build whose imports were gone through one by one. */
const PYODIDE = {
  version: '314.0.7',
  'pyodide.asm.wasm': 'cc36e3cab04fdfc9a63ff13eb52eae2b911bf46c025cc7b281f394bd3de1d5e6',
  'python_stdlib.zip': 'fa1957e5777068fc4f7437f96d860ae2fbe9c19732ba06c84e004ec16dd7dd7a',
};

const HASHES = 'sha256.json';
const LIBRARY_FILE = /^library-\d+\.wasm$/;
const libraryFile = (index: number) => `library-${index}.wasm`;

/** Finds the image in the cache or builds it. */
export async function loadImage({ cacheDirectory, signal, wheels, ...limits }: ImageOptions): Promise<Image> {
  const pyodide = await realpath(dirname(createRequire(import.meta.url).resolve('pyodide')));
  const [wasm, stdlib] = await Promise.all([
    checkedFile(pyodide, 'pyodide.asm.wasm'),
    checkedFile(pyodide, 'python_stdlib.zip'),
  ]);
  const key = createHash('sha256').update(
    JSON.stringify([PYODIDE, limits.memoryLimitBytes, wheels.map(({ sha256, imports }) => [sha256, imports])]),
  );
  for (const name of (await readdir(SANDBOX_DIRECTORY)).toSorted()) {
    if (name.endsWith('.mjs')) key.update(await readFile(join(SANDBOX_DIRECTORY, name)));
  }
  const name = `python-${key.digest('hex').slice(0, 32)}`;
  const parent = await writableDirectory(cacheDirectory);
  const directory = await realpath(parent).then((path) => join(path, name));
  const filesIn = (place: string) => ({
    stdlib,
    wheels: wheels.map(({ fileName }) => join(place, fileName)),
    imports: wheels.flatMap(({ imports }) => imports),
  });
  if (!(await isIntact(directory))) {
    const temporary = `${directory}.${randomUUID()}`;
    await mkdir(temporary, { mode: 0o700 });
    try {
      for (const { fileName, bytes } of wheels) await writeFile(join(temporary, fileName), bytes);
      const config: WorkerConfig = { mode: 'build', wasm, outputLength: 0, ...filesIn(temporary), ...limits };
      const built = await runBuilder(config, [pyodide, temporary], signal);
      await writeFile(join(temporary, 'python.wasm'), built.wasm);
      await writeFile(join(temporary, 'snapshot'), built.snapshot);
      for (const [index, bytes] of built.libraries.entries()) {
        await writeFile(join(temporary, libraryFile(index)), bytes);
      }
      await writeFile(join(temporary, HASHES), JSON.stringify(await hashesOf(temporary)));
      // another process may have been faster: its image is as good, and may be in use
      if (!(await isIntact(directory))) {
        await rm(directory, { recursive: true, force: true });
        await rename(temporary, directory).catch(() => access(join(directory, HASHES)));
      }
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
  const count = (await readdir(directory)).filter((file) => LIBRARY_FILE.test(file)).length;
  return {
    wasm: join(directory, 'python.wasm'),
    snapshot: join(directory, 'snapshot'),
    libraries: Array.from({ length: count }, (_, index) => join(directory, libraryFile(index))),
    directories: [pyodide, directory],
    ...filesIn(directory),
  };
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

/** The cache, or a temporary directory where the cache cannot be written. */
async function writableDirectory(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  } catch {
    return mkdtemp(join(tmpdir(), 'tapo-python-'));
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
