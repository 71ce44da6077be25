import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { UsageError } from '../cli/command.js';
import { importModule } from '../import-module.js';
import { applyOverrides } from './overrides.js';
import { configSchema, resolveConfig } from './schema.js';
import type { ResolvedConfig } from './schema.js';

const defaultNames = ['tapo.config.ts', 'tapo.config.js', 'tapo.config.mjs', 'tapo.config.json'];

export interface LoadedConfig {
  config: ResolvedConfig;
  /** absolute path; undefined when everything came from the command line */
  file: string | undefined;
}

export interface LoadConfigOptions {
  /** default: `tapo.config.ts`, `.js`, `.mjs` or `.json` in the working directory */
  file?: string | undefined;
  overrides?: Readonly<Record<string, string | true>>;
}

/** The config file of the working directory, where there is one. */
export function defaultConfigFile(): string | undefined {
  return defaultNames.find((name) => existsSync(name));
}

/** Reads a config file (TypeScript, JavaScript or JSON), applies dotted overrides, fills in the defaults. */
export async function loadConfig({ file, overrides = {} }: LoadConfigOptions = {}): Promise<LoadedConfig> {
  if (file !== undefined && !existsSync(file)) {
    throw new UsageError(`no such config file: ${file}`, '`tapo init` writes one to start from');
  }
  const found = file ?? defaultConfigFile();
  if (found === undefined && Object.keys(overrides).length === 0) {
    throw new UsageError(
      `no tapo.config.ts or tapo.config.json in ${process.cwd()}`,
      'give --config FILE, or `tapo init`',
    );
  }
  const written = found === undefined ? {} : await readConfigFile(found);
  const config = resolveConfig(applyOverrides(configSchema, written, overrides), found ?? 'command line');
  return { config, file: found === undefined ? undefined : resolve(found) };
}

/** The object in a config file, unchecked. */
export async function readConfigFile(file: string): Promise<Record<string, unknown>> {
  const value = extname(file) === '.json' ? parseJson(await readFile(file, 'utf8'), file) : await importConfig(file);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`${file}: wanted a config object, got ${value === null ? 'null' : typeof value}`);
  }
  return value as Record<string, unknown>;
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not valid JSON: ${(error as Error).message}`);
  }
}

async function importConfig(file: string): Promise<unknown> {
  let module: Record<string, unknown>;
  try {
    module = await importModule(file);
  } catch (error) {
    throw new UsageError(`${file} cannot be loaded: ${(error as Error).message}`, undefined, { cause: error });
  }
  if (module['default'] === undefined) {
    throw new UsageError(`${file} has no default export`, 'write `export default defineConfig({ … })`');
  }
  return module['default'];
}
