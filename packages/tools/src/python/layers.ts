import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, realpathSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * What Linux can add around a worker, as the beginning of its command line. Each is used where it is installed and works:
 *
 * - `prlimit` (util-linux): no core dumps, no file can be written, a limit on the memory of the process
 * - `bwrap` (bubblewrap): no network, no other processes, a file system with next to nothing in it; ends with its parent
 *
 * @returns the beginning of the command line, given the directories a worker must be able to read
 */
export async function findLayers(memoryLimitBytes: number): Promise<(directories: readonly string[]) => string[]> {
  if (process.platform !== 'linux') return () => [];
  const bwrap = findProgram('bwrap');
  const prlimit = findProgram('prlimit');
  const dataBytes = 2 * memoryLimitBytes + 2 ** 30;
  const limits = prlimit ? [prlimit, '--core=0', '--fsize=0', `--data=${dataBytes}`] : [];
  const [limitsWork, bwrapWorks] = await Promise.all([works(limits), works(bwrap ? [bwrap, ...isolation([])] : [])]);
  return (directories) => [
    ...(bwrap && bwrapWorks ? [bwrap, ...isolation(directories)] : []),
    ...(limitsWork ? limits : []),
  ];
}

function isolation(directories: readonly string[]): string[] {
  const system = ['/usr', '/bin', '/lib', '/lib64', '/etc/ld.so.cache', '/etc/alternatives'];
  const needed = [...directories, dirname(realpathSync(process.execPath)), dirname(process.execPath)];
  const isolate = [
    '--unshare-all',
    '--clearenv',
    '--die-with-parent',
    '--new-session',
    '--proc',
    '/proc',
    '--dev',
    '/dev',
  ];
  return isolate.concat([...system, ...new Set(needed)].flatMap((path) => ['--ro-bind-try', path, path]));
}

function findProgram(name: string): string | undefined {
  return ['/usr/bin', '/bin', '/usr/local/bin'].map((directory) => `${directory}/${name}`).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Containers often forbid what these programs do: they are tried before they are relied on. */
async function works(layer: readonly string[]): Promise<boolean> {
  const [command, ...rest] = layer;
  if (!command) return false;
  const child = spawn(command, [...rest, process.execPath, '--version'], { stdio: 'ignore', env: {}, timeout: 5000 });
  const [code] = (await once(child, 'exit').catch(() => [1])) as [number | null];
  return code === 0;
}
