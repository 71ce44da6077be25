import { UsageError } from '../cli/command.js';

/**
 * Replaces `${NAME}` in every text of a value by that environment variable, so that configs, and the copy of them in a run
 * directory, need not hold secrets. Objects with methods are left alone.
 * @throws UsageError for a variable that is not set
 */
export function expandEnvironment(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => variable(name));
  if (Array.isArray(value)) return value.map(expandEnvironment);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, expandEnvironment(inner)]));
}

function variable(name: string): string {
  const value = process.env[name];
  if (value !== undefined) return value;
  throw new UsageError(`the config asks for the environment variable ${name}, which is not set`, `export ${name}=…`);
}
