// Works on Node 20, 22 and 24: core, rollout, tools (sandboxes and MCP servers included), the training loop and the README
// examples under each, as npm's own builds of Node bring them. node scripts/node-versions.mjs [20 22 24]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { root } from './pnpm.mjs';

// no lifecycle scripts: the binary is in a package of its own for each platform
const wanted = process.argv.slice(2).length > 0 ? process.argv.slice(2) : ['20', '22', '24'];
const tests = [
  'packages/core',
  'packages/rollout',
  'packages/tools/test/call-tool.test.ts',
  'packages/tools/test/cache.test.ts',
  'packages/tools/test/search',
  'packages/tools/test/mcp.test.ts',
  'packages/tools/test/javascript.test.ts',
  'packages/tools/test/python/basics.test.ts',
  'apps/trainer/test/train.test.ts',
  'apps/trainer/test/import-module.test.ts',
  'test/readme.test.ts',
];

let failed = false;
for (const major of wanted) {
  const home = `${root}interop/.cache/node-${major}`;
  const name = `node-${process.platform}-${process.arch}`;
  const binary = `${home}/node_modules/${name}/bin/node`;
  if (!existsSync(binary)) {
    mkdirSync(home, { recursive: true });
    const args = ['install', '--prefix', home, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const { status } = spawnSync('npm', [...args, `${name}@${major}`], { stdio: 'inherit' });
    if (status !== 0) {
      console.log(`skipped: Node ${major} for ${process.platform}-${process.arch} cannot be had from npm here`);
      continue;
    }
  }
  const version = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.trim();
  const vitest = [`${root}node_modules/vitest/vitest.mjs`, 'run', '--reporter=dot', ...tests];
  const path = `${home}/node_modules/${name}/bin:${process.env.PATH}`;
  const env = { ...process.env, PATH: path, CI: 'true' };
  const { status, stdout, stderr } = spawnSync(binary, vitest, {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const summary = /Tests .*/.exec(stdout)?.[0] ?? '';
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'}  Node ${version}: ${summary}`);
  if (status !== 0) console.log(stdout.slice(-6000) + stderr.slice(-2000));
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
