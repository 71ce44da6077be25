#!/usr/bin/env node
import { relative } from 'node:path';
import { createToolPackage } from './index.js';

const [directory, packageName, ...others] = process.argv.slice(2);
if (!directory || directory.startsWith('-') || others.length > 0) {
  process.stderr.write('usage: npm create tapo-tool DIRECTORY [PACKAGE-NAME]\n');
  process.exit(1);
}
try {
  const created = await createToolPackage(directory, packageName ? { packageName } : {});
  process.stdout.write(
    `${created.packageName}: ${created.files.length} files in ${directory}\n\n` +
      `  cd ${relative('.', created.directory) || '.'}\n  npm install\n  npm test\n\n` +
      `src/index.ts has the tool, README.md the rest.\n`,
  );
} catch (error) {
  process.stderr.write(`create-tapo-tool: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
