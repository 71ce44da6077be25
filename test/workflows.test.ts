import { execFile } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const workflows = fileURLToPath(new URL('../.github/workflows/', import.meta.url));
const validator = createRequire(import.meta.url).resolve('@action-validator/cli/cli.mjs');
const validate = (file: string) => promisify(execFile)(process.execPath, [validator, file]);

it.each(readdirSync(workflows))('%s has the shape of a workflow', async (name) => {
  await expect(validate(join(workflows, name))).resolves.toMatchObject({ stderr: '' });
});

it('the check fails where it should', async () => {
  const broken = join(await mkdtemp(join(tmpdir(), 'tapo-workflow-')), 'ci.yml');
  const text = await readFile(join(workflows, 'ci.yml'), 'utf8');
  await writeFile(broken, text.replaceAll('runs-on:', 'runs_on:'));
  await expect(validate(broken)).rejects.toMatchObject({ stderr: expect.stringContaining("'runs_on' is not allowed") });
});

it('a release is built from what was tested, with provenance and no more rights than it needs', async () => {
  const text = await readFile(join(workflows, 'release.yml'), 'utf8');
  for (const line of ['id-token: write', "NPM_CONFIG_PROVENANCE: 'true'", 'run: npm test', 'scripts/pack-test.mjs']) {
    expect(text).toContain(line);
  }
  // the scripts it runs exist
  const { scripts } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const [, script] of text.matchAll(/pnpm@\S+ run (\w+)/g)) expect(scripts).toHaveProperty(script!);
});
