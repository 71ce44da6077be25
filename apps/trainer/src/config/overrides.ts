import { UsageError } from '../cli/command.js';
import { configKeys, nearestKey } from './validate.js';

/**
 * Sets dotted keys given on the command line: `{'optimizer.learningRate': '1e-5'}`. A value is read as JSON where it is
 * JSON (numbers, `true`, `null`, lists), else as text; a flag without a value is `true`.
 *
 * @throws UsageError for a key the config does not have
 */
export function applyOverrides(
  schema: object,
  config: Record<string, unknown>,
  overrides: Readonly<Record<string, string | true>>,
): Record<string, unknown> {
  const known = configKeys(schema);
  const result = copySections(config);
  for (const [given, text] of Object.entries(overrides)) {
    // `--engine tinker` chooses by name: `--engine.name tinker`
    const path = known.includes(`${given}.name`) && text !== true && isName(text) ? `${given}.name` : given;
    if (!known.includes(path)) {
      throw new UsageError(`unknown option or config key --${path}`, `did you mean --${nearestKey(schema, path)}?`);
    }
    const parts = path.split('.');
    let section = result;
    for (const part of parts.slice(0, -1)) {
      const inner = section[part];
      section = section[part] = isSection(inner) ? inner : {};
    }
    section[parts.at(-1) as string] = text === true ? true : parseValue(text);
  }
  return result;
}

function isName(text: string): boolean {
  return /^[\w-]+$/.test(text) && typeof parseValue(text) === 'string';
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Copies sections, keeps everything else (tools may be objects with functions) as it is. */
function copySections(config: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, isSection(value) ? copySections(value) : value]),
  );
}
