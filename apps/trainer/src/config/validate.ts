import { type } from 'arktype';
import { distance } from 'fastest-levenshtein';
import { UsageError } from '../cli/command.js';

/** A schema whose `null` branches and sections can be walked. */
export type ConfigSchema<T> = ((value: unknown) => T | type.errors) & object;

/**
 * Checks a config and fills in the defaults.
 *
 * @param place where the config comes from, for messages
 * @param crossChecks what no single key can say, one message each
 * @throws UsageError that names every bad key, its value and what was wanted; for an unknown key the nearest known one
 */
export function validateConfig<T>(
  schema: ConfigSchema<T>,
  config: unknown,
  place: string,
  crossChecks: (config: T) => string[] = () => [],
): T {
  const resolved = schema(config);
  const problems =
    resolved instanceof type.errors ? resolved.map((problem) => describe(problem, schema)) : crossChecks(resolved);
  if (resolved instanceof type.errors || problems.length > 0) {
    const remedy = 'keys, values and defaults: docs/configuration.md of @tapo/trainer';
    throw new UsageError(`${place}: ${problems.join(`\n${place}: `)}`, remedy);
  }
  return resolved;
}

function describe(problem: type.errors[number], schema: object): string {
  const path = problem.path.join('.');
  if (problem.code === 'predicate' && problem.expected === 'removed') {
    return `unknown key ${path}; did you mean ${nearestKey(schema, path)}?`;
  }
  if (problem.code === 'required') return `${path} is missing, wanted ${problem.expected}`;
  const union = problem.expected.replace(/^\S+ must be /, '').replace(/ \(was .*$/, '');
  const wanted = problem.code === 'union' ? union : problem.expected;
  return `${path === '' ? 'the config' : path} is ${show(problem.data)}, wanted ${wanted}`;
}

function show(value: unknown): string {
  const text = typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Every dotted path of the config, sections included. */
export function configKeys(schema: object, prefix = ''): string[] {
  const { structure, branches = [] } = schema as SchemaNode;
  if (!structure) return branches.length > 1 ? branches.flatMap((branch) => configKeys(branch, prefix)) : [];
  return structure.props.flatMap(({ key, value }) => {
    const path = `${prefix}${String(key)}`;
    return [path, ...configKeys(value, `${path}.`)];
  });
}

/** The part of an arktype node that is walked: a union has branches, an object has a structure. */
interface SchemaNode {
  structure?: { props: readonly { key: PropertyKey; value: object }[] };
  branches?: readonly object[];
}

/** The known key that a mistyped one most likely meant: by its whole path, or by its last part in another section. */
export function nearestKey(schema: object, path: string): string {
  const last = (key: string) => key.slice(key.lastIndexOf('.') + 1);
  const cost = (key: string) => Math.min(distance(path, key), distance(last(path), last(key)) + 1.5);
  return configKeys(schema).toSorted((a, b) => cost(a) - cost(b))[0] as string;
}
