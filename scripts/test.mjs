// npm test: everything that must hold, on a fresh clone, with Node and npm alone.
// Arguments choose steps by name: npm test -- lint unit
import { pnpm, requireNode, run } from './pnpm.mjs';

requireNode(20, 18);

const steps = {
  install: () => pnpm(['install', '--frozen-lockfile', '--ignore-scripts', '--reporter=append-only', '--silent']),
  format: () => pnpm(['run', 'format:check']),
  lint: () => pnpm(['run', 'lint']),
  typecheck: () => pnpm(['run', 'typecheck']),
  build: () => pnpm(['run', 'build']),
  knip: () => pnpm(['run', 'knip']),
  packages: () => run([process.execPath, 'scripts/check-packages.mjs']),
  unit: () => pnpm(['run', 'unit']),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in steps));
if (unknown.length > 0) {
  console.error(`unknown step ${unknown.join(', ')}; known: ${Object.keys(steps).join(', ')}`);
  process.exit(1);
}

const results = [];
for (const [name, step] of Object.entries(steps)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n— ${name}`);
  const started = Date.now();
  const code = await step();
  results.push({ name, code, seconds: (Date.now() - started) / 1000 });
  if (code !== 0 && name === 'install') break;
}

console.log('');
for (const { name, code, seconds } of results) {
  console.log(`${code === 0 ? 'passed' : 'FAILED'}  ${name.padEnd(10)} ${seconds.toFixed(1)} s`);
}
const failed = results.filter(({ code }) => code !== 0).length;
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
