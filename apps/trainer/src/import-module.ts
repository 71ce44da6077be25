import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';

/**
 * Imports a TypeScript or JavaScript file of the user's; an installed package is imported as it is. The file is compiled
 * together with what it imports by path, and written beside itself for the moment of the import, so that packages resolve
 * as they do for it and are loaded by Node itself: large libraries start as fast as elsewhere.
 */
export async function importModule(file: string): Promise<Record<string, unknown>> {
  const path = resolve(file);
  if (/[\\/]node_modules[\\/]/.test(path)) return importFile(path);
  const { code, isCommonJs } = await compile(path);
  const compiled = join(dirname(path), `.${basename(path)}.${randomUUID()}.mjs`);
  try {
    await writeFile(compiled, code);
  } catch (error) {
    throw new Error(`${path} is compiled into a file beside it, and ${(error as Error).message}`, { cause: error });
  }
  try {
    const module = await importFile(compiled);
    return isCommonJs ? (module['default'] as Record<string, unknown>) : module;
  } finally {
    await rm(compiled, { force: true });
  }
}

function importFile(path: string): Promise<Record<string, unknown>> {
  return import(pathToFileURL(path).href) as Promise<Record<string, unknown>>;
}

async function compile(path: string): Promise<{ code: string; isCommonJs: boolean }> {
  const { build } = await import('esbuild');
  const { outputFiles, metafile } = await build({
    entryPoints: [path],
    absWorkingDir: dirname(path),
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    target: `node${process.versions.node}`,
    sourcemap: 'inline',
    logLevel: 'silent',
    conditions: process.execArgv.flatMap((option) => /^--conditions=(.+)$/.exec(option)?.[1] ?? []),
    define: { 'import.meta.url': 'tapoImportMetaUrl', 'import.meta.dirname': 'tapoImportMetaDirname' },
    plugins: [packagesByNode, placeOfEachFile],
  });
  const entry = metafile.inputs[basename(path)];
  return { code: outputFiles[0]!.text, isCommonJs: entry?.format === 'cjs' };
}

const ownIndex = new URL(`./index${extname(import.meta.url)}`, import.meta.url).href;

/**
 * Packages stay imports, but for those that are TypeScript, as in a workspace, which Node could not load. A config finds
 * `@tapo/trainer` also where only the command is installed, globally or by npx.
 */
const packagesByNode: Plugin = {
  name: 'packages-by-node',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path, kind, resolveDir, pluginData }) => {
      if (kind === 'entry-point' || pluginData === packagesByNode || path.startsWith('node:')) return undefined;
      const found = await build.resolve(path, { kind, resolveDir, pluginData: packagesByNode });
      if (found.errors.length > 0 && path === '@tapo/trainer') return { path: ownIndex, external: true };
      const isSource = /\.[cm]?tsx?$/.test(found.path) && !/[\\/]node_modules[\\/]/.test(found.path);
      return isSource ? { path: found.path } : { path, external: true };
    });
  },
};

/** `import.meta.url` is that of the file it stands in, not of the compiled one. */
const placeOfEachFile: Plugin = {
  name: 'place-of-each-file',
  setup(build) {
    build.onLoad({ filter: /\.[cm]?[jt]sx?$/ }, async ({ path }) => {
      const contents = await readFile(path, 'utf8');
      const url = JSON.stringify(pathToFileURL(path).href);
      const directory = JSON.stringify(dirname(path));
      const head = `const tapoImportMetaUrl = ${url}, tapoImportMetaDirname = ${directory};`;
      const used = contents.includes('import.meta');
      // on the first line, so that the lines of errors stay right
      const loader = extname(path).replace(/^\.[cm]?/, '') as 'js' | 'jsx' | 'ts' | 'tsx';
      return { contents: used ? `${head} ${contents}` : contents, loader };
    });
  },
};
