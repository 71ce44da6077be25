// Runs the quickstart for the given seeds and checks what it promises: accuracy up by 20 points, greedy and sampled, on
// held-out problems, without more calls where no tool is needed. node scripts/check-quickstart.mjs 1 2 3
import { readFileSync } from 'node:fs';
import { root, run } from './pnpm.mjs';

const seeds = process.argv.slice(2);
if (seeds.length === 0) seeds.push('1');
let failed = false;

for (const seed of seeds) {
  const directory = `runs/quickstart-check-${seed}`;
  const code = await run(['npm', 'run', 'quickstart', '--silent', '--', '--seed', seed, '--out', directory]);
  if (code !== 0) {
    console.log(`FAILED  seed ${seed}: npm run quickstart ended with ${code}`);
    failed = true;
    continue;
  }
  const { before, after, seconds } = JSON.parse(readFileSync(`${root}${directory}/summary.json`, 'utf8'));
  const points = (name) => 100 * (after[name] - before[name]);
  const checks = {
    'greedy accuracy rises by 20 points': [points('accuracy') >= 20, `${points('accuracy').toFixed(1)}`],
    'sampled accuracy rises by 20 points': [points('sampledAccuracy') >= 20, `${points('sampledAccuracy').toFixed(1)}`],
    'calls on easy problems do not rise': [
      after.callsBySource.easy <= before.callsBySource.easy,
      `${before.callsBySource.easy.toFixed(2)} → ${after.callsBySource.easy.toFixed(2)}`,
    ],
  };
  for (const [name, [holds, got]] of Object.entries(checks)) {
    console.log(`${holds ? 'ok    ' : 'FAILED'}  seed ${seed}: ${name}: ${got} (${seconds.toFixed(0)} s)`);
    failed ||= !holds;
  }
}
process.exit(failed ? 1 : 0);
