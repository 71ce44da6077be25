import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { main } from '../src/cli/main.js';

/** Runs `tapo` in this process; what it prints comes back without colours. */
export async function tapo(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const lines: string[] = [];
  const errors: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  const error = vi.spyOn(console, 'error').mockImplementation((line: string) => void errors.push(line));
  try {
    // eslint-disable-next-line no-control-regex
    const plain = (texts: string[]) => texts.join('\n').replaceAll(/\u001b\[\d+m/g, '');
    const code = await main(argv);
    return { code, out: plain(lines), err: plain(errors) };
  } finally {
    log.mockRestore();
    error.mockRestore();
  }
}

/** What `tapo` prints when it fails; anything but exit code 1 without a stack is an error. */
export async function failure(...argv: string[]): Promise<string> {
  const { code, err } = await tapo(...argv);
  if (code !== 1 || /\n\s+at /.test(err)) throw new Error(`exit code ${code}, printed: ${err}`);
  return err;
}

/** A new empty directory. */
export const folder = () => mkdtemp(join(tmpdir(), 'tapo-cli-'));
