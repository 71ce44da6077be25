import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';

/** Pyodide's binary interface (its lock file: `abi_version`), which compiled wheels must be built for. */
const PLATFORM = 'pyemscripten_2026_0_wasm32';

/** A wheel from anywhere; `sha256` in hexadecimal. */
export interface PythonWheel {
  /** path or https URL of a `.whl` file */
  wheel: string;
  sha256: string;
  /** modules imported ahead of time, so that programs find them loaded; default: the package's name */
  imports?: readonly string[];
}

export interface ResolvedWheel {
  fileName: string;
  bytes: Buffer;
  sha256: string;
  imports: readonly string[];
}

interface LockedPackage {
  file_name: string;
  sha256: string;
  depends: string[];
  imports: string[];
}

export interface WheelOptions {
  packages: readonly (string | PythonWheel)[];
  /** directory or https URL that holds the wheels of Pyodide's distribution */
  packageSource?: string | undefined;
  signal?: AbortSignal;
}

/**
 * Gets the wheels of all packages and of what they depend on. Names are those of Pyodide's distribution: its lock file,
 * part of the npm package, says which file and which hash; the files come from `packageSource`.
 * @throws Error that names the package and what to do: unknown, out of reach, another hash, compiled code
 */
export async function resolveWheels({ packages, packageSource, signal }: WheelOptions): Promise<ResolvedWheel[]> {
  const locked = new Map<string, LockedPackage>();
  const names = packages.filter((entry) => typeof entry === 'string');
  if (names.length > 0) {
    const lockFile = createRequire(import.meta.url).resolve('pyodide/pyodide-lock.json');
    const lock = JSON.parse(await readFile(lockFile, 'utf8')) as { packages: Record<string, LockedPackage> };
    const add = (name: string, askedBy: string) => {
      const found = lock.packages[name.toLowerCase()];
      if (!found) {
        throw new Error(
          `packages: got ${askedBy}, which is not in Pyodide's distribution. A pure Python wheel is given as { wheel, sha256 }.`,
        );
      }
      if (locked.has(name)) return;
      locked.set(name, found);
      for (const dependency of found.depends) add(dependency, `${dependency} (needed by ${name})`);
    };
    for (const name of names) add(name, `"${name}"`);
  }
  const wheels: PythonWheel[] = packages.filter((entry) => typeof entry !== 'string');
  for (const [name, { file_name: file, sha256, imports }] of locked) {
    if (packageSource === undefined) {
      throw new Error(
        `packages: "${name}" is not part of npm. Give packageSource: a directory or https URL that holds ${file} of Pyodide's distribution.`,
      );
    }
    wheels.push({ wheel: locate(packageSource, file), sha256, imports });
  }
  return Promise.all(wheels.map((wheel) => load(wheel, signal)));
}

async function load({ wheel, sha256, imports }: PythonWheel, signal?: AbortSignal): Promise<ResolvedWheel> {
  const fileName = basename(wheel);
  const [distribution = ''] = fileName.split('-');
  checkTags(fileName);
  const bytes = await read(wheel, signal);
  const got = createHash('sha256').update(bytes).digest('hex');
  if (got !== sha256.toLowerCase()) {
    throw new Error(`packages: ${wheel} has SHA-256 ${got}, wanted ${sha256}. It is another build, or it was changed.`);
  }
  return { fileName, bytes, sha256: got, imports: imports ?? [distribution.toLowerCase()] };
}

/** The tags at the end of a wheel's name say what it was built for: any Python, or this very WebAssembly build. */
function checkTags(fileName: string): void {
  const [python = '', abi = '', platform = ''] = fileName
    .replace(/\.whl$/, '')
    .split('-')
    .slice(-3);
  const anyPython = /\bpy3\b/.test(python) && abi === 'none';
  const stable = abi === 'abi3' && Number(/^cp3(\d+)$/.exec(python)?.[1] ?? Infinity) <= 14;
  const fits = anyPython || stable || (python === 'cp314' && abi === 'cp314');
  if (fileName.endsWith('.whl') && fits && (platform === PLATFORM || (anyPython && platform === 'any'))) return;
  throw new Error(
    `packages: ${fileName} is not built for this sandbox: wanted a pure wheel (…-py3-none-any.whl) or one compiled for ` +
      `Pyodide's CPython 3.14 (…-cp314-cp314-${PLATFORM}.whl). ` +
      `pip download --only-binary :all: --no-deps --python-version 3.14 --abi cp314 --platform ${PLATFORM} NAME gets it where there is one.`,
  );
}

async function read(wheel: string, signal?: AbortSignal): Promise<Buffer> {
  try {
    if (!/^https?:/.test(wheel)) return await readFile(wheel);
    const response = await fetch(wheel, { signal: signal ?? null });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    throw new Error(
      `packages: ${wheel} is out of reach (${String(error)}). Give packageSource a directory that has it.`,
      {
        cause: error,
      },
    );
  }
}

function locate(source: string, file: string): string {
  return /^https?:/.test(source)
    ? new URL(file, source.endsWith('/') ? source : `${source}/`).href
    : join(source, file);
}
