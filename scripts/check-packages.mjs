// Are the built packages ready to publish? publint and attw on each public package, as packed; and their sizes.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { checkSizes } from './check-sizes.mjs';
import { publicPackages } from './packages.mjs';
import { root } from './pnpm.mjs';

const exec = promisify(execFile);

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

let passed = await checkSizes();
for (const directory of publicPackages) {
  passed = (await check(`publint ${directory}`, 'node_modules/.bin/publint', ['run', directory, '--strict'])) && passed;
  const attw = ['--pack', directory, '--profile', 'esm-only', '--no-emoji'];
  passed = (await check(`attw    ${directory}`, 'node_modules/.bin/attw', attw)) && passed;
}
process.exit(passed ? 0 : 1);
