import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Imports a TypeScript or JavaScript file of the user's. Outside of a `"type": "module"` package TypeScript is compiled to
 * CommonJS, whose exports come wrapped in `default`: they are unwrapped.
 */
export async function importModule(file: string): Promise<Record<string, unknown>> {
  const { tsImport } = await import('tsx/esm/api');
  const module = (await tsImport(pathToFileURL(resolve(file)).href, import.meta.url)) as Record<string, unknown>;
  const inner = module['default'];
  const wrapped = typeof inner === 'object' && inner !== null && '__esModule' in inner;
  return wrapped ? (inner as Record<string, unknown>) : module;
}
