// The cache in a real Redis, brought by apt: shared by processes, whole after a kill in the middle of a write. Skipped with
// a reason where there is none and apt is out of reach.
//
// node --import tsx --conditions=tapo-source interop/redis-cache.ts
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const exists = () => spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
if (exists().status !== 0) spawnSync('sh', ['-c', 'apt-get update -qq && apt-get install -y -qq redis-server']);
const { status, stdout } = exists();
if (status !== 0) {
  console.log('skipped: no redis-server here, and apt cannot bring one');
  process.exit(0);
}
console.log(stdout.trim());
// the tests of the stores run on Redis too wherever there is a server
const vitest = ['node_modules/vitest/vitest.mjs', 'run', 'packages/tools/test/storage.test.ts', '-t', 'redis'];
process.exit(spawnSync(process.execPath, vitest, { cwd: root, stdio: 'inherit' }).status ?? 1);
