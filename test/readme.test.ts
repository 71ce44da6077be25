import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const exec = promisify(execFile);
const packages = fileURLToPath(new URL('../packages/', import.meta.url));

// A README's first ```ts block is a promise: it runs as it stands, by the package's public name, and prints something.
for (const name of readdirSync(packages)) {
  const readme = `${packages}${name}/README.md`;
  it(`the example of packages/${name}/README.md runs`, { timeout: 120_000 }, async () => {
    expect(existsSync(readme), `${readme} is missing`).toBe(true);
    const example = /^```ts\n(.*?)^```/ms.exec(readFileSync(readme, 'utf8'))?.[1];
    expect(example, 'no ```ts block').toBeDefined();
    const file = `${packages}${name}/.readme-example.ts`;
    writeFileSync(file, example ?? '');
    try {
      const { stdout } = await exec(process.execPath, ['--import', 'tsx', '--conditions=tapo-source', file], {
        cwd: `${packages}${name}`,
        timeout: 110_000,
      });
      expect(stdout.trim()).not.toBe('');
    } finally {
      rmSync(file);
    }
  });
}
