// npm run quickstart [-- options]: installs what the trainer needs, then trains the shipped tiny policy.
import { existsSync } from 'node:fs';
import { pnpm, requireNode, root, run } from './pnpm.mjs';

requireNode(20, 18);
if (!existsSync(`${root}apps/trainer/node_modules`)) {
  console.log('Installing (once) …');
  const code = await pnpm(['install', '--frozen-lockfile', '--ignore-scripts', '--reporter=append-only', '--silent']);
  if (code !== 0) {
    console.error('The installation failed. Is the npm registry reachable? Try again, or run `npx pnpm@10 install`.');
    process.exit(code);
  }
}
const main = ['--import', 'tsx', '--conditions=tapo-source', 'apps/trainer/src/bin.ts'];
process.exit(await run([process.execPath, ...main, 'quickstart', ...process.argv.slice(2)]));
