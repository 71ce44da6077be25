// Runs the pinned pnpm, brought by npx where it is not installed: a fresh machine has Node and npm alone.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export const root = new URL('..', import.meta.url).pathname;
const pinned = JSON.parse(readFileSync(`${root}package.json`, 'utf8')).packageManager;
const windows = process.platform === 'win32';

const installed = spawnSync('pnpm', ['--version'], { encoding: 'utf8', shell: windows, cwd: root }).stdout?.trim();
const command = `pnpm@${installed}` === pinned ? ['pnpm'] : ['npx', '--yes', pinned];

/** Runs `pnpm ...args`, output shown; resolves with the exit code (130 after Ctrl-C). */
export function pnpm(args, { env = process.env, stdio = 'inherit' } = {}) {
  return run([...command, ...args], { env, stdio });
}

/** Runs a command line in the repository root. Ctrl-C is left to the child, so that it can save before it ends. */
export function run([file, ...args], { env = process.env, stdio = 'inherit' } = {}) {
  const child = spawn(file, args, { cwd: root, env, stdio, shell: windows });
  const ignore = () => {};
  process.on('SIGINT', ignore);
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`could not start ${file}: ${error.message}`);
      resolve(1);
    });
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  }).finally(() => process.off('SIGINT', ignore));
}

export function requireNode(major, minor) {
  const [gotMajor, gotMinor] = process.versions.node.split('.').map(Number);
  if (gotMajor > major || (gotMajor === major && gotMinor >= minor)) return;
  console.error(`Node ${process.versions.node} is too old: this needs Node ${major}.${minor} or newer.`);
  process.exit(1);
}
