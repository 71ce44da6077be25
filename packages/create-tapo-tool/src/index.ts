import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface CreateToolPackageOptions {
  /** of the npm package; default: the directory's name, with its parent's where that is a scope (`@me/tapo-tool-x`) */
  packageName?: string;
}

export interface CreatedToolPackage {
  directory: string;
  packageName: string;
  /** also the tag that the policy writes */
  toolName: string;
  /** relative to the directory */
  files: string[];
}

/** blocks of the paper's format, which no tool may be called */
const RESERVED = ['think', 'answer', 'response'];

const TEMPLATE = fileURLToPath(new URL('../template', import.meta.url));

/**
 * Writes a package with a tool into a directory that is empty or not there yet.
 * @throws if the directory holds files, or the name cannot be a package's or a tool's
 */
export async function createToolPackage(
  directory: string,
  { packageName = nameOf(directory) }: CreateToolPackageOptions = {},
): Promise<CreatedToolPackage> {
  if (!/^(@[a-z0-9][a-z0-9._-]*\/)?[a-z][a-z0-9._-]*$/.test(packageName)) {
    throw new Error(
      `got the package name "${packageName}", wanted lower-case letters, digits and hyphens, as in "tapo-tool-weather"`,
    );
  }
  const toolName = toolNameOf(packageName);
  await makeDirectory(resolve(directory));
  const present = await readdir(directory);
  if (present.length > 0) throw new Error(`${directory} holds ${present[0]}; wanted an empty or a new directory`);

  const pascalName = toolName.replaceAll(/(?:^|_)([a-z\d])/g, (_, letter: string) => letter.toUpperCase());
  await cp(TEMPLATE, directory, { recursive: true });
  // npm leaves files with these names out of a package
  await rename(join(directory, '_gitignore'), join(directory, '.gitignore'));
  await rename(join(directory, '_package.json'), join(directory, 'package.json'));

  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files) {
    const text = await readFile(file, 'utf8');
    const filled = text
      .replaceAll('__package__', packageName)
      .replaceAll('__tool__', toolName)
      .replaceAll('__Tool__', pascalName);
    await writeFile(file, filled);
  }
  const relative = files.map((file) => file.slice(join(directory, '/').length)).toSorted();
  return { directory: resolve(directory), packageName, toolName, files: relative };
}

/** One level after the other: where the system has no room for a name (`/proc`), Node's `recursive` never ends. */
async function makeDirectory(path: string): Promise<void> {
  if (existsSync(path)) return;
  await makeDirectory(dirname(path));
  await mkdir(path);
}

function nameOf(directory: string): string {
  const path = resolve(directory);
  const scope = basename(dirname(path));
  return scope.startsWith('@') ? `${scope}/${basename(path)}` : basename(path);
}

/** The package's name without scope and `tapo-tool-`. @throws if no policy could write it as a tag */
function toolNameOf(packageName: string): string {
  const toolName = packageName
    .replace(/^@.*\//, '')
    .replace(/^tapo-tool-/, '')
    .replaceAll(/\W+/g, '_');
  if (!/^[a-z]/.test(toolName) || RESERVED.includes(toolName)) {
    throw new Error(
      `the tool of the package "${packageName}" would be called "${toolName}"; wanted a name that begins with a letter and is none of ${RESERVED.join(', ')}`,
    );
  }
  return toolName;
}
