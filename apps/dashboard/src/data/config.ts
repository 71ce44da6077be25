/** A config as dotted keys with JSON texts, for tables and differences. */
export function flatConfig(config: unknown): Map<string, string> {
  const flat = new Map<string, string>();
  const walk = (value: unknown, path: string): void => {
    const isSection = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isSection) for (const [key, part] of Object.entries(value)) walk(part, path === '' ? key : `${path}.${key}`);
    else if (path !== '') flat.set(path, typeof value === 'string' ? value : JSON.stringify(value));
  };
  walk(config, '');
  return flat;
}

/** Keys on which configs differ, with each one's value (undefined where it lacks the key). */
export function configDifferences(configs: readonly unknown[]): [key: string, values: (string | undefined)[]][] {
  const flat = configs.map(flatConfig);
  const keys = [...new Set(flat.flatMap((config) => [...config.keys()]))];
  return keys
    .map((key): [string, (string | undefined)[]] => [key, flat.map((config) => config.get(key))])
    .filter(([, values]) => new Set(values).size > 1);
}
