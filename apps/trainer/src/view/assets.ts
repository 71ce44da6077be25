import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../cli/command.js';
import type { Assets } from './server.js';

// the same place from src/view and from dist/view
const built = fileURLToPath(new URL('../../dist/dashboard/', import.meta.url));
const source = fileURLToPath(new URL('../../../dashboard/', import.meta.url));
const names = ['index.html', 'dashboard.js', 'dashboard.css'];

/**
 * The page's files. They are part of the published package; in the repository they are built when they are missing or
 * older than their source.
 */
export async function loadAssets({ note = () => {} }: { note?: (message: string) => void } = {}): Promise<Assets> {
  if (existsSync(join(source, 'vite.config.ts')) && (await isStale())) {
    note('building the dashboard (only after a change to it) …');
    await build();
  }
  if (!existsSync(join(built, 'index.html'))) {
    throw new UsageError(`the dashboard is not built: ${built} is missing`, 'pnpm --filter @tapo/dashboard build');
  }
  const files = await Promise.all(
    names.map(async (name) => [name, await readFile(join(built, name), 'utf8')] as const),
  );
  return new Map(files);
}

async function isStale(): Promise<boolean> {
  const page = await stat(join(built, 'index.html')).catch(() => undefined);
  if (!page) return true;
  const directories = [join(source, 'src'), fileURLToPath(new URL('../../src/view/', import.meta.url))];
  const files = (await Promise.all(directories.map(filesBelow))).flat();
  const times = await Promise.all(files.map(async (file) => (await stat(file)).mtimeMs));
  return Math.max(...times) > page.mtimeMs;
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function build(): Promise<void> {
  const vite = join(source, 'node_modules', 'vite', 'bin', 'vite.js');
  if (!existsSync(vite)) throw new UsageError('the dashboard cannot be built: vite is not installed', 'pnpm install');
  const output: Buffer[] = [];
  const child = spawn(process.execPath, [vite, 'build', '--logLevel', 'error'], { cwd: source });
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`the dashboard's build failed:\n${Buffer.concat(output).toString()}`);
}
