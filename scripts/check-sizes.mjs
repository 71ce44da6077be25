// Is every package within its size budget (scripts/size-budgets.json)? `packedKB`: the tarball that npm downloads.
// `entryKB`: what `import` of the package costs a bundle, minified and gzipped, its dependencies apart.
// node scripts/check-sizes.mjs --write sets the budgets to a quarter above what is there.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { manifestOf, publicPackages } from './packages.mjs';
import { root } from './pnpm.mjs';

const file = `${root}scripts/size-budgets.json`;
const kilobytes = (bytes) => Math.ceil(bytes / 1000);

async function sizesOf(directory) {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const packed = JSON.parse(execFileSync('npm', args, { cwd: root + directory, encoding: 'utf8' }));
  const [{ size }] = Array.isArray(packed) ? packed : Object.values(packed);
  const entry = manifestOf(directory).exports?.['.']?.default;
  if (entry === undefined) return { packedKB: kilobytes(size) };
  const { outputFiles } = await build({
    entryPoints: [`${root}${directory}/${entry}`],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'error',
    target: 'es2023',
  });
  return { packedKB: kilobytes(size), entryKB: kilobytes(gzipSync(outputFiles[0].contents).length) };
}

/** Prints a line per package. @returns whether all are within their budgets */
export async function checkSizes() {
  const budgets = JSON.parse(readFileSync(file, 'utf8'));
  let passed = true;
  for (const directory of publicPackages) {
    const budget = budgets[directory];
    for (const [name, size] of Object.entries(await sizesOf(directory))) {
      const limit = budget?.[name];
      const holds = size <= limit;
      passed &&= holds;
      const remedy = holds ? '' : '; make it smaller, or raise the budget in scripts/size-budgets.json and say why';
      console.log(`${holds ? 'ok    ' : 'FAILED'}  ${name} ${directory}: ${size} of ${limit ?? 'no budget'}${remedy}`);
    }
  }
  return passed;
}

if (import.meta.url === `file://${process.argv[1]}`) {
  if (process.argv[2] === '--write') {
    const budgets = {};
    for (const directory of publicPackages) {
      const sizes = Object.entries(await sizesOf(directory));
      budgets[directory] = Object.fromEntries(sizes.map(([name, size]) => [name, Math.ceil(size * 1.25)]));
    }
    writeFileSync(file, `${JSON.stringify(budgets, null, 2)}\n`);
  } else process.exit((await checkSizes()) ? 0 : 1);
}
