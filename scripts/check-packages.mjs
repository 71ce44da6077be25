// Are the built packages ready to publish? publint and attw on each public package, as packed.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { root } from './pnpm.mjs';

const exec = promisify(execFile);

/** Directories of the packages that are published. */
export const publicPackages = ['packages', 'apps']
  .flatMap((group) => readdirSync(`${root}${group}`).map((name) => `${group}/${name}`))
  .filter((directory) => {
    try {
      return JSON.parse(readFileSync(`${root}${directory}/package.json`, 'utf8')).private !== true;
    } catch {
      return false;
    }
  });

async function check(name, file, args) {
  try {
    await exec(file, args, { cwd: root, maxBuffer: 1 << 24 });
    console.log(`ok      ${name}`);
    return true;
  } catch (error) {
    console.log(`FAILED  ${name}\n${error.stdout ?? ''}${error.stderr ?? error.message}`);
    return false;
  }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  let passed = true;
  for (const directory of publicPackages) {
    passed =
      (await check(`publint ${directory}`, 'node_modules/.bin/publint', ['run', directory, '--strict'])) && passed;
    const attw = ['--pack', directory, '--profile', 'esm-only', '--no-emoji'];
    passed = (await check(`attw    ${directory}`, 'node_modules/.bin/attw', attw)) && passed;
  }
  process.exit(passed ? 0 : 1);
}
