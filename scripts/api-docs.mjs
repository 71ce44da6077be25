// pnpm run docs: the API reference of every public entry point, by typedoc, in docs/api. Broken links are errors.
import { Application, Converter, ReflectionKind } from 'typedoc';
import { manifestOf, publicPackages } from './packages.mjs';
import { root } from './pnpm.mjs';

/** Import specifier by source file: what a user writes is what a page is called. */
const entries = new Map();
for (const directory of publicPackages) {
  const { name, exports = {} } = manifestOf(directory);
  for (const [subpath, target] of Object.entries(exports)) {
    const source = target['tapo-source'];
    if (source?.endsWith('.ts')) entries.set(`${root}${directory}/${source.slice(2)}`, name + subpath.slice(1));
  }
}

const app = await Application.bootstrap({
  name: 'TAPO',
  entryPoints: [...entries.keys()],
  tsconfig: `${root}tsconfig.json`,
  readme: `${root}README.md`,
  excludeInternal: true,
  excludePrivate: true,
  // interfaces of an options object that nobody imports need no page of their own
  validation: { notExported: false, invalidLink: true, notDocumented: false },
  githubPages: false,
  hideGenerator: true,
  gitRevision: 'main',
});
app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_, reflection) => {
  if (reflection.kind !== ReflectionKind.Module) return;
  const file = reflection.sources?.[0]?.fullFileName ?? '';
  const specifier = entries.get(file);
  if (specifier !== undefined) reflection.name = specifier;
});

const project = await app.convert();
if (project === undefined) process.exit(1);
app.validate(project);
await app.generateDocs(project, `${root}docs/api`);
const pages = project.getReflectionsByKind(ReflectionKind.SomeExport).length;
console.log(`docs/api: ${entries.size} entry points, ${pages} exports; ${app.logger.errorCount} errors`);
process.exit(app.logger.hasErrors() ? 1 : 0);
