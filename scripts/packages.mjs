// The packages that are published.
import { readdirSync, readFileSync } from 'node:fs';
import { root } from './pnpm.mjs';

/** Directories, from the repository's root. */
export const publicPackages = ['packages', 'apps']
  .flatMap((group) => readdirSync(`${root}${group}`).map((name) => `${group}/${name}`))
  .filter((directory) => {
    try {
      return manifestOf(directory).private !== true;
    } catch {
      return false;
    }
  });

export function manifestOf(directory) {
  return JSON.parse(readFileSync(`${root}${directory}/package.json`, 'utf8'));
}
